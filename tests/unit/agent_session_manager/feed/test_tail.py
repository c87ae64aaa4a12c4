"""The tail: one read of the store for all followers of a session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from agent_session_manager.concurrency.reader import Reader
from agent_session_manager.domain.errors import SessionNotFoundError
from agent_session_manager.domain.event import Event
from agent_session_manager.domain.session import Session
from agent_session_manager.feed import tail as module
from agent_session_manager.feed.tail import Tail
from tests.support.loops import run
from tests.support.rows import each_row
from tests.support.running_session import BEGUN, RUNNING


class Record:
    """A session that records its reads."""

    def __init__(self) -> None:
        self.session: Session | None = RUNNING
        self.reads: list[int] = []
        self.changed = asyncio.Event()
        self.feeds = self
        self.tail = Tail("s", self.changed, cast(Reader, self))

    def append(self, count: int = 1) -> None:
        assert self.session is not None
        self.session = replace(self.session, last_seq=self.session.last_seq + count)
        self.changed.set()

    async def seqs(self, after: int, *, fresh: bool = False) -> list[int]:
        news = await self.tail.look(after, fresh=fresh)
        return [event.seq for event in news.events]

    async def read(self, query: Callable[[Any], Any]) -> Any:
        await asyncio.sleep(0)
        return query(self)

    def read_session(
        self, session_id: str, *, after: int, limit: int, **_max: int
    ) -> tuple[Session, list[Event]]:
        self.reads.append(after)
        if self.session is None:
            raise SessionNotFoundError(session_id)
        last = min(self.session.last_seq, after + limit)
        return self.session, [_event(n) for n in range(after + 1, last + 1)]


def _event(seq: int) -> Event:
    return Event(
        seq=seq,
        event_type="some",
        event_id=None,
        run=1,
        late=False,
        recorded_at=BEGUN,
        fields_json='{"n":"ab"}',
    )


def test_all_followers_share_one_read_for_each_change() -> None:
    async def scenario() -> None:
        record = Record()
        record.append(10)
        assert await record.seqs(10) == []
        record.reads.clear()
        record.append(3)
        looks = await asyncio.gather(*(record.tail.look(10) for _ in range(100)))
        assert record.reads == [10]
        assert [event.seq for event in looks[0].events] == [11, 12, 13]
        assert all(news is looks[0] for news in looks)
        further = await record.tail.look(12)
        assert further.events[0] is looks[0].events[2]
        assert record.reads == [10]

    run(scenario())


def test_reader_far_behind_reads_alone_and_reaches_the_tail() -> None:
    async def scenario() -> None:
        record = Record()
        record.append(1000)
        seen: list[int] = []
        while len(seen) < 1000:
            seen += await record.seqs(len(seen))
        record.append(1)
        seen += await record.seqs(1000)
        assert seen == list(range(1, 1002))

    run(scenario())


@each_row("limit", ["MAX_EVENTS", "MAX_CHARS"])
def test_tail_is_bounded_and_dropped_events_can_be_read(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(module, limit, 100 if limit == "MAX_EVENTS" else 1000)

    async def scenario() -> None:
        record = Record()
        await record.seqs(0)
        for _ in range(30):
            record.append(10)
            await record.seqs(record.session.last_seq if record.session else 0)
        record.reads.clear()
        assert await record.seqs(200) == list(range(201, 301))
        assert record.reads == []
        assert await record.seqs(199) == list(range(200, 301))
        assert record.reads == [199]

    run(scenario())


def test_burst_larger_than_the_tail_is_read_completely() -> None:
    async def scenario() -> None:
        record = Record()
        await record.seqs(0)
        record.append(module.MAX_EVENTS + 1)
        seen: list[int] = []
        while len(seen) <= module.MAX_EVENTS:
            seen += await record.seqs(len(seen))
        assert seen == list(range(1, module.MAX_EVENTS + 2))

    run(scenario())


def test_without_a_wakeup_only_a_fresh_look_reads_the_store() -> None:
    async def scenario() -> None:
        record = Record()
        await record.seqs(0)
        record.append(1)
        record.changed.clear()  # as after a lost notice of another manager
        assert await record.seqs(0) == []
        assert await record.seqs(0, fresh=True) == [1]

    run(scenario())


def test_session_with_a_reused_id_is_detected() -> None:
    async def scenario() -> None:
        record = Record()
        record.append(5)
        await record.seqs(5)
        record.session = replace(RUNNING, generation="second", last_seq=7)
        record.changed.set()
        news = await record.tail.look(5)
        assert (news.session.generation, news.session.last_seq) == ("second", 7)

    run(scenario())


async def _refused(look: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(SessionNotFoundError):
        await look()


def test_failed_look_is_repeated_by_the_next_reader() -> None:
    async def scenario() -> None:
        record = Record()
        await record.seqs(0)
        there, record.session = record.session, None
        record.changed.set()
        for _ in range(2):
            await _refused(lambda: record.seqs(0))
        record.session = there
        record.append(1)
        assert await record.seqs(0) == [1]

    run(scenario())
