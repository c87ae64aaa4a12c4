"""Tail: the last events of a followed session, read once for all its followers.

A tail has every event from its first event to its `_end`. It is large enough for a burst of events.
A follower that has everything waits for the next news, which wakes all such followers at once, with
the same object. A follower further behind reads the store alone until it reaches the tail.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice

from agent_session_manager.concurrency.reader import Reader
from agent_session_manager.concurrency.wakeups import is_set_within
from agent_session_manager.domain.errors import SessionNotFoundError
from agent_session_manager.domain.events.event import Event
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.feed.frames import News

EVENTS_AT_ONCE = 256
CHARS_AT_ONCE = 16 * 1024
"""Limit of one read, exceeded by at most one event. Each slow reader keeps that much in memory."""
MAX_EVENTS = 2048
MAX_CHARS = 2 * 1024 * 1024
HEARTBEAT_SECONDS = 15.0
SHORTEST_PAUSE_SECONDS = 0.002
LONGEST_PAUSE_SECONDS = 0.02
"""Limits of the pause after news: events committed during it are sent together."""
FAILURE_PAUSE_SECONDS = 0.5
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
        self._waiting: list[asyncio.Future[News | None]] = []
        """One for each follower that waits for the next news."""

    async def look(self, after: int | None) -> News:
        """Return the session and its events past `after`; no events if `after` is None.

        The store is read if the session has changed since the last read.

        Raises:
            SessionNotFoundError: the session was deleted.
        """
        async with self._looking:
            if self._news is None or self._changed.is_set():
                await self._catch_up()
            assert self._news is not None  # it was read now, or before
            if after is None or after >= self._end:
                return self._news
            if self._is_there(after):
                return self._past(after)
        session, found = await self._read(after)
        return replace(self._news_of(session), events=found)

    def is_level(self, after: int, facts: Session) -> bool:
        """Return whether a follower that knows this much has everything that was read."""
        assert self._news is not None  # the follower's facts come from it
        return after >= self._end and self._news.facts is facts

    async def next(self, after: int, facts: Session) -> News | None:
        """Return the next news for a follower that knows this much.

        A follower that has everything waits. All that wait get the same object: later events, or
        other facts; or None, if there was nothing for a while or the manager stops.

        Raises:
            SessionNotFoundError: the session was deleted, even if another one has its id now.
        """
        news = await (self._wait() if self.is_level(after, facts) else self.look(after))
        if news is None:
            return None
        if news.session.generation != facts.generation:
            raise SessionNotFoundError(self._session_id)
        if news.events and news.events[0].seq <= after:  # the follower begins later
            return await self.look(after)
        return news

    async def _wait(self) -> News | None:
        told: asyncio.Future[News | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(told)
        return await told

    async def watch(self, is_closed: Callable[[], bool]) -> None:
        """Read the store after each change, for the followers that wait, until `is_closed`.

        The pause after news is as long as all these followers needed to send it. So a feed uses at
        most half of the event loop.
        """
        loop = asyncio.get_running_loop()
        while True:
            is_quiet = not await is_set_within(self._changed, HEARTBEAT_SECONDS)
            if is_closed():
                self._wake(None)
                return
            try:
                async with self._looking:
                    if is_quiet or self._changed.is_set():
                        await self._catch_up()
            except Exception as exc:  # whatever the store raises: each follower gets it
                self._wake(exc)
                await asyncio.sleep(FAILURE_PAUSE_SECONDS)
                continue
            if is_quiet:
                self._wake(None)
            began = loop.time()
            await asyncio.sleep(0)  # the followers send their news first
            took = loop.time() - began
            await asyncio.sleep(min(max(took, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS))

    def _wake(self, outcome: News | Exception | None) -> None:
        """Wake the waiting followers."""
        waiting, self._waiting = self._waiting, []
        for told in waiting:
            if told.done():  # its follower has left
                continue
            if isinstance(outcome, Exception):
                told.set_exception(outcome)
            else:
                told.set_result(outcome)

    def _is_there(self, after: int) -> bool:
        """Return whether the tail has all events past `after`."""
        return after >= self._end - len(self._events)

    def _past(self, after: int) -> News:
        """Return the news past an event in the tail, the same object for all followers."""
        assert self._news is not None
        if after not in self._news_past:
            self._news_past[after] = replace(self._news, events=self._some_past(after))
        return self._news_past[after]

    async def _catch_up(self) -> None:
        """Read the store, and wake the waiting followers if there is news."""
        known, known_end = self._news, self._end
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
                self._news = self._news_of(session)
                self._news_past.clear()
                if self._end >= session.last_seq or not found:
                    break
        except BaseException:
            self._changed.set()
            raise
        if known is None or not self._is_there(known_end):
            self._wake(self._news)
        elif self._end > known_end:
            self._wake(self._past(known_end))
        elif self._news.facts is not known.facts:
            self._wake(self._news)

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

    def _news_of(self, session: Session) -> News:
        """Return news without events; its facts are the last ones, if they are the same."""
        facts = replace(
            session,
            last_seq=0,
            last_activity_at=session.created_at,
            newest_run=replace(session.newest_run, lease=None),
        )
        if self._news is not None and self._news.facts == facts:
            facts = self._news.facts
        return News(session=session, facts=facts)
