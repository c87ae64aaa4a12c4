"""The feed: the limit of readers, and the frames and errors that end a feed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any, cast

import pytest

from agent_session_manager.concurrency.reader import Reader
from agent_session_manager.concurrency.wakeups import Wakeups
from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import (
    CursorUnknownError,
    OverloadedError,
    StoreUnavailableError,
)
from agent_session_manager.domain.events.event import Event
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.feed import feed as module
from agent_session_manager.feed import tail
from agent_session_manager.feed.feed import Feed
from agent_session_manager.feed.frames import (
    Heartbeat,
    News,
    SessionChanged,
    Stopping,
)
from agent_session_manager.store.feeds import Changes
from tests.support.loops import run
from tests.support.running_session import RUNNING
from tests.unit.agent_session_manager.feed.test_tail import _event


class Source:
    """One session that grows, and a list without changes."""

    def __init__(self) -> None:
        self.session = RUNNING
        self.fails = False
        self.wakeups = Wakeups()
        self.feeds = self
        self.feed = Feed(self.wakeups, cast(Reader, self))

    def append(self) -> None:
        self.session = replace(self.session, last_seq=self.session.last_seq + 1)
        self.wakeups.notify(["s"])

    async def read(self, query: Callable[[Any], Any]) -> Any:
        return query(self)

    def read_session(
        self, session_id: str, *, after: int, **_limits: int
    ) -> tuple[Session, list[Event]]:
        if self.fails:
            raise StoreUnavailableError("gone")
        events = [_event(seq) for seq in range(after + 1, self.session.last_seq + 1)]
        return self.session, events

    def read_changes(self, after: Cursor, *, limit: int, known: Cursor) -> Changes:
        return Changes(changes=[], cursor=after, has_more=False)


def test_number_of_readers_is_limited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_READERS", 2)

    async def scenario() -> None:
        source = Source()
        cursor = Cursor(generation="ab", number=0)
        async with (
            aclosing(source.feed.follow("s", 0, forever=True)) as first,
            aclosing(source.feed.follow_list(cursor)) as second,
        ):
            assert isinstance(await anext(first), SessionChanged)
            assert isinstance(await anext(second), Changes)
            with pytest.raises(OverloadedError):
                await anext(source.feed.follow("s", 0, forever=True))
        async with aclosing(source.feed.follow("s", 0, forever=True)) as third:
            assert isinstance(await anext(third), SessionChanged)

    run(scenario())


def test_store_failure_ends_a_feed_that_can_be_resumed() -> None:
    async def scenario() -> None:
        source = Source()
        async with aclosing(source.feed.follow("s", 0, forever=True)) as frames:
            await anext(frames)
            source.append()
            added = await anext(frames)
            assert isinstance(added, News)
            source.fails = True
            source.append()
            with pytest.raises(StoreUnavailableError):
                await anext(frames)
        source.fails = False
        begin = Cursor(generation=RUNNING.generation, number=1)
        async with aclosing(source.feed.follow("s", begin, forever=True)) as frames:
            await anext(frames)
            added = await anext(frames)
            assert isinstance(added, News)
            assert [event.seq for event in added.events] == [2]

    run(scenario())


def test_invalid_cursor_is_refused_with_the_head() -> None:
    async def scenario() -> None:
        source = Source()
        source.append()
        for wrong in (
            Cursor(generation=RUNNING.generation, number=2),
            Cursor(generation="other", number=1),
        ):
            with pytest.raises(CursorUnknownError) as refused:
                await anext(source.feed.follow("s", wrong, forever=True))
            assert refused.value.head == f"{RUNNING.generation}:1"

    run(scenario())


def test_idle_reader_gets_heartbeats(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tail, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(module, "LIST_PACE_SECONDS", 0.01)

    async def scenario() -> None:
        source = Source()
        async with aclosing(source.feed.follow("s", 0, forever=True)) as frames:
            await anext(frames)
            assert await anext(frames) == Heartbeat()
            # A change without a wakeup, after a lost notice, is sent with the next heartbeat.
            source.session = replace(source.session, last_seq=1)
            while (frame := await anext(frames)) == Heartbeat():
                pass
            assert isinstance(frame, News)
        async with aclosing(source.feed.follow_list(Cursor(generation="ab", number=0))) as changes:
            await anext(changes)
            assert await anext(changes) == Heartbeat()

    run(scenario())


def test_readers_get_a_stopping_frame_when_the_manager_stops() -> None:
    async def scenario() -> None:
        source = Source()
        async with aclosing(source.feed.follow("s", 0, forever=True)) as frames:
            await anext(frames)
            waiting = asyncio.ensure_future(anext(frames))
            await asyncio.sleep(0)  # the task runs until it waits
            source.wakeups.close()
            assert await waiting == Stopping()

    run(scenario())
