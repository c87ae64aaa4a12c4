"""The tail: one read of the store for all followers of a session."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest

from agent_session_manager.concurrency.reader import Reader
from agent_session_manager.domain.errors import SessionNotFoundError
from agent_session_manager.domain.events.event import Event
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.feed import tail as module
from agent_session_manager.feed.frames import News
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

    async def seqs(self, after: int) -> list[int]:
        return seqs_of(await self.tail.look(after))

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Let the tail read the store at each change until the block ends."""
        watching = asyncio.create_task(self.tail.watch(lambda: False))
        try:
            yield
        finally:
            watching.cancel()

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


def seqs_of(news: News | None) -> list[int]:
    assert news is not None
    return [event.seq for event in news.events]


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


def test_waiting_followers_share_one_read_and_one_object() -> None:
    async def scenario() -> None:
        record = Record()
        first = await record.tail.look(None)
        async with record.watched():
            waiting = [asyncio.ensure_future(record.tail.next(0, first.facts)) for _ in range(100)]
            await asyncio.sleep(0)
            record.reads.clear()
            record.append(3)
            news = await asyncio.gather(*waiting)
        assert seqs_of(news[0]) == [1, 2, 3]
        assert all(each is news[0] for each in news)
        assert record.reads == [0]

    run(scenario())


def test_look_of_one_follower_wakes_those_that_wait() -> None:
    """Else their news would be known already when the change is noticed."""

    async def scenario() -> None:
        record = Record()
        first = await record.tail.look(None)
        waiting = asyncio.ensure_future(record.tail.next(0, first.facts))
        await asyncio.sleep(0)
        record.append(2)
        await record.tail.look(None)
        assert seqs_of(await waiting) == [1, 2]

    run(scenario())


def test_follower_that_begins_later_gets_only_later_events() -> None:
    async def scenario() -> None:
        record = Record()
        first = await record.tail.look(None)
        async with record.watched():
            waiting = asyncio.ensure_future(record.tail.next(2, first.facts))
            await asyncio.sleep(0)
            record.append(3)
            assert seqs_of(await waiting) == [3]

    run(scenario())


def test_irrelevant_change_wakes_no_follower() -> None:
    async def scenario() -> None:
        record = Record()
        first = await record.tail.look(None)
        async with record.watched():
            waiting = asyncio.ensure_future(record.tail.next(0, first.facts))
            await asyncio.sleep(0)
            record.changed.set()  # as after the renewal of a lease
            await record.tail.look(None)
            assert not waiting.done()
            record.append(1)
            assert seqs_of(await waiting) == [1]

    run(scenario())


def test_waiting_followers_learn_of_other_facts_and_failures() -> None:
    async def scenario() -> None:
        record = Record()
        first = await record.tail.look(None)
        assert record.session is not None
        async with record.watched():
            waiting = asyncio.ensure_future(record.tail.next(0, first.facts))
            await asyncio.sleep(0)
            record.session = replace(record.session, session_name="other")
            record.changed.set()
            renamed = await waiting
            assert renamed is not None
            assert (seqs_of(renamed), renamed.facts.session_name) == ([], "other")
            waiting = asyncio.ensure_future(record.tail.next(0, renamed.facts))
            await asyncio.sleep(0)
            record.session = None
            record.changed.set()
            await _refused(lambda: waiting)

    run(scenario())


@each_row("seed", range(60))
def test_every_follower_gets_every_event_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Followers begin, look, wait and pause in any order, while events come in bursts."""
    chance = random.Random(seed)
    total = 60

    async def follow(record: Record, begin: int) -> list[int]:
        news = await record.tail.look(None)
        seen, after = [], begin
        while after < total:
            for _ in range(chance.choice([0, 0, 1, 5])):
                await asyncio.sleep(0)
            told = await record.tail.next(after, news.facts)
            assert told is not None
            news = told
            seen += seqs_of(news)
            after = max([after, *seen])
        return seen

    async def scenario() -> None:
        record = Record()
        begins = [chance.randrange(total // 2) for _ in range(8)]
        async with record.watched():
            followers = []
            for begin in begins:
                followers.append(asyncio.ensure_future(follow(record, begin)))
                for _ in range(chance.choice([0, 1, 3])):
                    await asyncio.sleep(0)
                record.append(chance.randrange(4))
            assert record.session is not None
            while (missing := total - record.session.last_seq) > 0:
                record.append(min(missing, chance.choice([1, 2, 20])))
                for _ in range(chance.choice([1, 5, 50])):
                    await asyncio.sleep(0)
            for begin, follower in zip(begins, followers, strict=True):
                assert await follower == list(range(begin + 1, total + 1))

    monkeypatch.setattr(module, "MAX_EVENTS", chance.choice([3, 2048]))
    monkeypatch.setattr(module, "CHARS_AT_ONCE", chance.choice([1, 30, 16 * 1024]))
    monkeypatch.setattr(module, "SHORTEST_PAUSE_SECONDS", 0.0)
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
