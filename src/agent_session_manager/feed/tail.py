"""The last events of a session that somebody follows, read once for all who do.

It is complete from its first event to its `_end`, and as long as a burst may be; whoever is further
back reads from the store by itself until it has come here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from agent_session_manager.domain.event import Event
from agent_session_manager.domain.session import Session
from agent_session_manager.store.feeds import SessionNews

EVENTS_AT_ONCE = 256
CHARS_AT_ONCE = 16 * 1024
"""Give or take the last of them: each reader that is slow keeps as much."""
MAX_EVENTS = 2048
MAX_CHARS = 2 * 1024 * 1024
_PAST_ALL = 2**63 - 1

ReadSession = Callable[[str, int, int], Awaitable[SessionNews]]
"""Of a session, its events past a seq, so many of them."""


class Published:
    """An event on its way to several readers.

    `encoded` is where the first who encodes it leaves it for the others.
    """

    __slots__ = ("encoded", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.encoded: bytes | None = None


class Batch:
    """Events that go together to all who have come equally far; encoded by the first, too."""

    __slots__ = ("encoded", "events")

    def __init__(self, events: Sequence[Published]) -> None:
        self.events = events
        self.encoded: bytes | None = None


NOTHING = Batch(())


@dataclass(frozen=True, kw_only=True)
class News:
    """A session, and those of its events that come next for the one who looked."""

    session: Session
    facts: Session
    """The session without what its events and the renewals of its lease change."""
    batch: Batch = NOTHING


class Tail:
    """Shared by all who follow one session, for as long as there is one."""

    def __init__(self, session_id: str, rung: asyncio.Event, read: ReadSession) -> None:
        """`rung` is set whenever the session has changed; until then it is not read again."""
        self._session_id = session_id
        self._rung = rung
        self._read = read
        self._looking = asyncio.Lock()
        self._news: News | None = None
        self._events: deque[Published] = deque()
        self._batches: dict[int, Batch] = {}
        self._chars = 0
        self._end = 0

    async def look(self, after: int | None, *, fresh: bool = False) -> News:
        """How the session stands and its events past `after`, or none where that is None.

        The store is asked where the bell has rung since it was asked last, or where `fresh`.

        Raises:
            SessionNotFoundError: it is gone.
        """
        async with self._looking:
            if fresh or self._news is None or self._rung.is_set():
                await self._catch_up()
            assert self._news is not None  # it was read now, or before
            if after is None or after >= self._end:
                return self._news
            if after >= self._end - len(self._events):
                return replace(self._news, batch=self._some_past(after))
        found = await self._read(self._session_id, after, EVENTS_AT_ONCE)
        batch = Batch([Published(event) for event in found.events])
        return replace(_news(found.session), batch=batch)

    async def _catch_up(self) -> None:
        self._rung.clear()
        try:
            while True:
                end = _PAST_ALL if self._news is None else self._end
                found = await self._read(self._session_id, end, EVENTS_AT_ONCE)
                if self._is_far_behind(found.session):
                    self._events.clear()
                    self._batches.clear()
                    self._chars, self._end = 0, found.session.last_seq
                else:
                    self._add(found.events)
                self._news = _news(found.session)
                if self._end >= found.session.last_seq or not found.events:
                    return
        except BaseException:
            self._rung.set()
            raise

    def _is_far_behind(self, session: Session) -> bool:
        """Whether it is better to begin anew at the head: each reader comes there by itself."""
        return (
            self._news is None
            or self._news.session.generation != session.generation
            or session.last_seq - self._end > MAX_EVENTS
        )

    def _some_past(self, after: int) -> Batch:
        """The next events past `after`, as many as a reader may have to keep."""
        if after not in self._batches:
            found: list[Published] = []
            chars = 0
            for published in islice(self._events, after - self._end + len(self._events), None):
                found.append(published)
                chars += published.event.size
                if chars >= CHARS_AT_ONCE:
                    break
            self._batches[after] = Batch(found)
        return self._batches[after]

    def _add(self, events: Sequence[Event]) -> None:
        self._batches.clear()
        for event in events:
            self._events.append(Published(event))
            self._chars += event.size
            self._end = event.seq
        while len(self._events) > MAX_EVENTS or self._chars > MAX_CHARS:
            self._chars -= self._events.popleft().event.size


def _news(session: Session) -> News:
    facts = replace(
        session,
        last_seq=0,
        last_activity_at=session.created_at,
        newest_run=replace(session.newest_run, lease=None),
    )
    return News(session=session, facts=facts)
