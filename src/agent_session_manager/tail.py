"""The last events of a session that somebody follows, read once for all who do.

It is complete from its first event to its `_end`, and as long as a burst may be; whoever is further
back reads from the store by itself until it has come here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class News:
    """A session, and those of its events that come next for the one who looked."""

    session: Session
    events: Sequence[Published]


class Tail:
    """Shared by all who follow one session, for as long as there is one."""

    def __init__(self, session_id: str, rung: asyncio.Event, read: ReadSession) -> None:
        """`rung` is set whenever the session has changed; until then it is not read again."""
        self._session_id = session_id
        self._rung = rung
        self._read = read
        self._looking = asyncio.Lock()
        self._session: Session | None = None
        self._events: deque[Published] = deque()
        self._chars = 0
        self._end = 0

    async def look(self, after: int | None, *, fresh: bool = False) -> News:
        """How the session stands and its events past `after`, or none where that is None.

        The store is asked where the bell has rung since it was asked last, or where `fresh`.

        Raises:
            SessionNotFoundError: it is gone.
        """
        async with self._looking:
            if fresh or self._session is None or self._rung.is_set():
                await self._catch_up()
            assert self._session is not None  # it was read now, or before
            if after is None:
                return News(session=self._session, events=())
            if after >= self._end - len(self._events):
                return News(session=self._session, events=self._some_past(after))
        found = await self._read(self._session_id, after, EVENTS_AT_ONCE)
        return News(session=found.session, events=[Published(event) for event in found.events])

    async def _catch_up(self) -> None:
        self._rung.clear()
        try:
            while True:
                end = _PAST_ALL if self._session is None else self._end
                found = await self._read(self._session_id, end, EVENTS_AT_ONCE)
                if self._is_far_behind(found.session):
                    self._events.clear()
                    self._chars, self._end = 0, found.session.last_seq
                else:
                    self._add(found.events)
                self._session = found.session
                if self._end >= found.session.last_seq or not found.events:
                    return
        except BaseException:
            self._rung.set()
            raise

    def _is_far_behind(self, session: Session) -> bool:
        """Whether it is better to begin anew at the head: each reader comes there by itself."""
        return (
            self._session is None
            or self._session.generation != session.generation
            or session.last_seq - self._end > MAX_EVENTS
        )

    def _some_past(self, after: int) -> list[Published]:
        """The next events past `after`, as many as a reader may have to keep."""
        begin = self._end - len(self._events)
        found: list[Published] = []
        chars = 0
        for published in islice(self._events, max(after - begin, 0), None):
            found.append(published)
            chars += published.event.size
            if chars >= CHARS_AT_ONCE:
                break
        return found

    def _add(self, events: Sequence[Event]) -> None:
        for event in events:
            self._events.append(Published(event))
            self._chars += event.size
            self._end = event.seq
        while len(self._events) > MAX_EVENTS or self._chars > MAX_CHARS:
            self._chars -= self._events.popleft().event.size
