"""Tail: the last events of a followed session, read once for all its followers.

A tail has every event from its first event to its `_end`. It is large enough for a burst of events.
A reader further behind reads the store alone until it reaches the tail.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from agent_session_manager.concurrency.reader import Reader
from agent_session_manager.domain.event import Event
from agent_session_manager.domain.session import Session
from agent_session_manager.feed.frames import News

EVENTS_AT_ONCE = 256
CHARS_AT_ONCE = 16 * 1024
"""Limit of one read, exceeded by at most one event. Each slow reader keeps that much in memory."""
MAX_EVENTS = 2048
MAX_CHARS = 2 * 1024 * 1024
_PAST_ALL = 2**63 - 1


class Tail:
    """Last events of one session, shared by all its followers."""

    def __init__(self, session_id: str, changed: asyncio.Event, reader: Reader) -> None:
        """`changed` is set at each change of the session; until then, the store is not read."""
        self._session_id = session_id
        self._changed = changed
        self._reader = reader
        self._looking = asyncio.Lock()
        self._news: News | None = None
        self._events: deque[Event] = deque()
        self._news_past: dict[int, News] = {}
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
                if after not in self._news_past:
                    events = self._some_past(after)
                    self._news_past[after] = replace(self._news, events=events)
                return self._news_past[after]
        session, found = await self._read(after)
        return replace(_news(session), events=found)

    async def _catch_up(self) -> None:
        self._changed.clear()
        try:
            while True:
                end = _PAST_ALL if self._news is None else self._end
                session, found = await self._read(end)
                if self._is_far_behind(session):
                    self._events.clear()
                    self._chars, self._end = 0, session.last_seq
                else:
                    self._add(found)
                self._news = _news(session)
                self._news_past.clear()
                if self._end >= session.last_seq or not found:
                    return
        except BaseException:
            self._changed.set()
            raise

    async def _read(self, after: int) -> tuple[Session, list[Event]]:
        return await self._reader.read(
            lambda store: store.feeds.read_session(
                self._session_id, after=after, limit=EVENTS_AT_ONCE, max_chars=CHARS_AT_ONCE
            )
        )

    def _is_far_behind(self, session: Session) -> bool:
        """Return whether the tail must restart at the last event; readers then catch up alone."""
        return (
            self._news is None
            or self._news.session.generation != session.generation
            or session.last_seq - self._end > MAX_EVENTS
        )

    def _some_past(self, after: int) -> list[Event]:
        """Return the next events past `after`, within the limit of one read."""
        found: list[Event] = []
        chars = 0
        for event in islice(self._events, after - self._end + len(self._events), None):
            found.append(event)
            chars += len(event.fields_json)
            if chars >= CHARS_AT_ONCE:
                break
        return found

    def _add(self, events: Sequence[Event]) -> None:
        for event in events:
            self._events.append(event)
            self._chars += len(event.fields_json)
            self._end = event.seq
        while len(self._events) > MAX_EVENTS or self._chars > MAX_CHARS:
            self._chars -= len(self._events.popleft().fields_json)


def _news(session: Session) -> News:
    facts = replace(
        session,
        last_seq=0,
        last_activity_at=session.created_at,
        newest_run=replace(session.newest_run, lease=None),
    )
    return News(session=session, facts=facts)
