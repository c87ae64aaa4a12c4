"""The writer, with a store whose commits the test controls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, cast

import pytest

from agent_session_manager.concurrency import writer
from agent_session_manager.concurrency.writer import Writer
from agent_session_manager.domain.errors import (
    OverloadedError,
    SessionNotFoundError,
    StoreUnavailableError,
)
from agent_session_manager.store.change import Change
from agent_session_manager.store.changes import AppendEvents
from agent_session_manager.store.protocol import Store
from tests.support.waiting import WATCHDOG_SECONDS


class GatedStore:
    """A store without the session `unknown`. Each commit first waits for the gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.began = threading.Semaphore(0)
        self.commits: list[list[str]] = []
        self.stored: list[str] = []
        self.fails = False
        self.fails_to_publish = False
        self.published: list[Collection[str]] = []

    def publish(self, session_ids: Collection[str]) -> None:
        self.published.append(session_ids)
        if self.fails_to_publish:
            raise ZeroDivisionError("a defect")

    def commit(self, changes: Sequence[Change[Any]]) -> list[Any]:
        self.began.release()
        assert self.gate.wait(WATCHDOG_SECONDS)
        appends = [change for change in changes if isinstance(change, AppendEvents)]
        self.commits.append([change.session_id for change in appends])
        if self.fails:
            raise ZeroDivisionError("a defect")
        return [self._commit_one(change) for change in appends]

    def _commit_one(self, change: AppendEvents) -> Any:
        if change.session_id == "unknown":
            return SessionNotFoundError(change.session_id)
        self.stored.append(change.session_id)
        return [len(self.stored)]


def append(session_id: str) -> AppendEvents:
    return AppendEvents(session_id=session_id, events=[])


def run(scenario: Callable[[GatedStore, Writer], Coroutine[Any, Any, None]]) -> GatedStore:
    """Run a scenario with a writer whose store has a closed gate, with a time-out."""
    store = GatedStore()

    async def bounded() -> None:
        async with asyncio.timeout(WATCHDOG_SECONDS):
            async with Writer(cast(Store, store), store.publish) as writer:
                try:
                    await scenario(store, writer)
                finally:
                    store.gate.set()

    asyncio.run(bounded())
    return store


async def begun(store: GatedStore) -> None:
    """Wait until a commit has begun."""
    assert await asyncio.to_thread(store.began.acquire, timeout=WATCHDOG_SECONDS)


async def sent(writer: Writer, *session_ids: str) -> list[asyncio.Task[Any]]:
    """Send commits to the writer, in this order, and return their tasks."""
    tasks = [asyncio.create_task(writer.commit(append(each))) for each in session_ids]
    await asyncio.sleep(0)  # each task runs until it waits
    return tasks


def test_changes_during_a_commit_share_the_next_commit() -> None:
    async def scenario(store: GatedStore, writer: Writer) -> None:
        first = await sent(writer, "first")
        await begun(store)
        others = await sent(writer, *(f"s{n}" for n in range(50)))
        store.gate.set()
        assert await asyncio.gather(*first, *others) == [[n] for n in range(1, 52)]

    store = run(scenario)
    assert store.commits == [["first"], [f"s{n}" for n in range(50)]]


def test_commit_is_never_larger_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_CHANGES_PER_COMMIT", 3)

    async def scenario(store: GatedStore, writer: Writer) -> None:
        waiting = await sent(writer, *"abcdefgh")
        store.gate.set()
        await asyncio.gather(*waiting)

    assert run(scenario).commits == [list("abc"), list("def"), list("gh")]


def test_single_caller_is_committed_at_once() -> None:
    async def scenario(store: GatedStore, writer: Writer) -> None:
        store.gate.set()
        for n in range(3):
            assert await writer.commit(append("s")) == [n + 1]

    assert run(scenario).commits == [["s"], ["s"], ["s"]]


def test_append_to_an_unknown_session_fails_alone() -> None:
    async def scenario(store: GatedStore, writer: Writer) -> None:
        before, unknown, after = await sent(writer, "before", "unknown", "after")
        store.gate.set()
        assert (await before, await after) == ([1], [2])
        with pytest.raises(SessionNotFoundError):
            await unknown

    assert run(scenario).commits == [["before", "unknown", "after"]]


def test_event_of_a_cancelled_caller_is_still_committed() -> None:
    async def scenario(store: GatedStore, writer: Writer) -> None:
        during, waiting, other = await sent(writer, "during", "waiting", "other")
        await begun(store)
        during.cancel()
        waiting.cancel()
        store.gate.set()
        assert await other == [3]
        assert during.cancelled()
        assert waiting.cancelled()

    assert run(scenario).stored == ["during", "waiting", "other"]


def test_failing_commit_does_not_end_the_writer() -> None:
    async def scenario(store: GatedStore, writer: Writer) -> None:
        store.gate.set()
        store.fails = True
        for _ in range(2):
            with pytest.raises(StoreUnavailableError) as caught:
                await writer.commit(append("s"))
            assert "a defect" not in str(caught.value)
        store.fails = False
        assert await writer.commit(append("s")) == [1]

    run(scenario)


def test_change_beyond_the_queue_limit_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", 3)

    async def scenario(store: GatedStore, writer: Writer) -> None:
        under_way = await sent(writer, "under way")
        await begun(store)
        waiting = await sent(writer, "a", "b", "c")
        with pytest.raises(OverloadedError):
            await writer.commit(append("too many"))
        store.gate.set()
        await asyncio.gather(*under_way, *waiting)
        assert await writer.commit(append("later")) == [5]

    assert run(scenario).stored == ["under way", "a", "b", "c", "later"]


def test_closed_writer_commits_its_queue_and_refuses_new_changes() -> None:
    store = GatedStore()

    async def scenario() -> None:
        async with asyncio.timeout(WATCHDOG_SECONDS):
            async with Writer(cast(Store, store), store.published.append) as writer:
                under_way = await sent(writer, "under way")
                await begun(store)
                waiting = await sent(writer, "a", "b")
                asyncio.get_running_loop().call_soon(store.gate.set)
            assert await asyncio.gather(*under_way, *waiting) == [[1], [2], [3]]
            with pytest.raises(StoreUnavailableError):
                await writer.commit(append("too late"))

    asyncio.run(scenario())
    assert store.stored == ["under way", "a", "b"]


def test_failed_publication_ends_neither_commit_nor_writer() -> None:
    async def scenario(store: GatedStore, writer: Writer) -> None:
        store.fails_to_publish = True
        store.gate.set()
        assert await writer.commit(append("a")) == [1]
        assert await writer.commit(append("b")) == [2]

    assert run(scenario).published == [{"a"}, {"b"}]
