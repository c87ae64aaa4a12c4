"""Tail: the last events of a followed session, read once for all its followers.

A tail has every event from its first event to its `_end`. It is large enough for a burst of events.
A reader further behind reads the store alone until it reaches the tail.
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
"""Limit of one read, exceeded by at most one event. Each slow reader keeps that much in memory."""
MAX_EVENTS = 2048
MAX_CHARS = 2 * 1024 * 1024
_PAST_ALL = 2**63 - 1

ReadSession = Callable[[str, int, int], Awaitable[SessionNews]]
"""Reads a session and up to `limit` of its events after `seq`: `(session_id, seq, limit)`."""


class Published:
    """An event for several readers. The first reader encodes it into `encoded` for all."""

    __slots__ = ("encoded", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.encoded: bytes | None = None


class Batch:
    """Events for all readers with the same cursor. The first reader encodes the batch for all."""

    __slots__ = ("encoded", "events")

    def __init__(self, events: Sequence[Published]) -> None:
        self.events = events
        self.encoded: bytes | None = None


NOTHING = Batch(())


@dataclass(frozen=True, kw_only=True)
class News:
    """Result of a look: the session, and the next events for the reader."""

    session: Session
    facts: Session
    """The session without the fields that events and lease renewals change."""
    batch: Batch = NOTHING


class Tail:
    """Last events of one session, shared by all its followers."""

    def __init__(self, session_id: str, changed: asyncio.Event, read: ReadSession) -> None:
        """`changed` is set at each change of the session; until then, the store is not read."""
        self._session_id = session_id
        self._changed = changed
        self._read = read
        self._looking = asyncio.Lock()
        self._news: News | None = None
        self._events: deque[Published] = deque()
        self._batches: dict[int, Batch] = {}
        self._chars = 0
        self._end = 0

    async def look(self, after: int | None, *, fresh: bool = False) -> News:
        """Return the session and its events past `after`; no events if `after` is None.

        The store is read if the session has changed since the last read, or if `fresh`.

        Raises:
            SessionNotFoundError: the session was deleted.
        """
        async with self._looking:
            if fresh or self._news is None or self._changed.is_set():
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
        self._changed.clear()
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
            self._changed.set()
            raise

    def _is_far_behind(self, session: Session) -> bool:
        """Return whether the tail must restart at the last event; readers then catch up alone."""
        return (
            self._news is None
            or self._news.session.generation != session.generation
            or session.last_seq - self._end > MAX_EVENTS
        )

    def _some_past(self, after: int) -> Batch:
        """Return the next events past `after`, within the limit of one read."""
        if after not in self._batches:
            found: list[Published] = []
            chars = 0
            for published in islice(self._events, after - self._end + len(self._events), None):
                found.append(published)
                chars += len(published.event.fields_json)
                if chars >= CHARS_AT_ONCE:
                    break
            self._batches[after] = Batch(found)
        return self._batches[after]

    def _add(self, events: Sequence[Event]) -> None:
        self._batches.clear()
        for event in events:
            self._events.append(Published(event))
            self._chars += len(event.fields_json)
            self._end = event.seq
        while len(self._events) > MAX_EVENTS or self._chars > MAX_CHARS:
            self._chars -= len(self._events.popleft().event.fields_json)


def _news(session: Session) -> News:
    facts = replace(
        session,
        last_seq=0,
        last_activity_at=session.created_at,
        newest_run=replace(session.newest_run, lease=None),
    )
    return News(session=session, facts=facts)
