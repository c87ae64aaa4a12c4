"""Appends of transcript lines: direct, delayed, and repeated after a failure."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.session_client import SessionClientError
from agent_orchestrator.transcripts.appends import DirectAppends
from agent_orchestrator.transcripts.batch import Batch
from agent_orchestrator.transcripts.store import TranscriptStore
from tests.support.loops import run
from tests.support.recording import refused_url
from tests.support.transcripts import batch_of, entry, key_of
from tests.support.waiting import WATCHDOG_SECONDS
from tests.transcripts.conftest import OpenStore


def test_repeated_batch_is_stored_once_even_without_uuids(
    manager_client: ManagerClient, store: TranscriptStore, project_key: str
) -> None:
    appends = DirectAppends(manager_client)
    first = batch_of(project_key, entry(1), {"type": "mode"}, {"type": "mode"}, batch_id="first")
    second = batch_of(project_key, entry(2), entry(1), {"type": "mode"}, batch_id="second")
    for batch in (first, first, second, first, second):
        appends.append(batch)
    mode = {"type": "mode"}
    assert run(store.load(key_of(project_key))) == [entry(1), mode, mode, entry(2), mode]


class LostAnswer:
    """Direct appends whose first answer is lost."""

    def __init__(self, manager: ManagerClient) -> None:
        self.direct = DirectAppends(manager)
        self.was_lost = False

    def append(self, batch: Batch) -> None:
        self.direct.append(batch)
        if not self.was_lost:
            self.was_lost = True
            raise SessionClientError("lost")

    def drain(self) -> None:
        self.direct.drain()


def test_append_repeated_after_an_error_is_stored_once(
    open_store: OpenStore, manager_client: ManagerClient, project_key: str
) -> None:
    store = open_store(appends=LostAnswer(manager_client))
    mode: Any = {"type": "mode"}
    with pytest.raises(SessionClientError):
        run(store.append(key_of(project_key), [entry(1), mode]))
    for _ in range(2):  # first the same batch again, then a new batch
        run(store.append(key_of(project_key), [entry(1), mode]))
    assert run(store.load(key_of(project_key))) == [entry(1), mode, mode]


class Held:
    """Appends that hold batches back until `drain` is called."""

    def __init__(self, manager: ManagerClient) -> None:
        self.direct = DirectAppends(manager)
        self.waiting: list[Batch] = []
        self.open = threading.Event()
        self.taken = threading.Event()

    def append(self, batch: Batch) -> None:
        self.taken.set()
        assert self.open.wait(WATCHDOG_SECONDS)
        self.waiting.append(batch)

    def drain(self) -> None:
        while self.waiting:
            self.direct.append(self.waiting.pop(0))


def test_reads_return_all_earlier_appends(
    open_store: OpenStore, manager_client: ManagerClient, project_key: str
) -> None:
    held = Held(manager_client)
    held.open.set()
    store = open_store(appends=held)
    key = key_of(project_key)

    async def use() -> None:
        await store.append(key, [entry(1)])
        assert len(held.waiting) == 1
        assert await store.load(key) == [entry(1)]
        await store.append(key, [entry(2)])
        assert len(await store.list_session_summaries(project_key)) == 1
        await store.append(key_of(project_key, subpath="a"), [entry(3)])
        subkeys = await store.list_subkeys({"project_key": project_key, "session_id": "s"})
        assert subkeys == ["a"]
        await store.append(key, [entry(4)])
        await store.delete(key)
        assert await store.list_sessions(project_key) == []

    run(use())


def test_append_of_a_cancelled_caller_is_done_in_order(
    open_store: OpenStore, manager_client: ManagerClient, project_key: str
) -> None:
    held = Held(manager_client)
    store = open_store(appends=held)
    key = key_of(project_key)

    async def use() -> Any:
        under_way = asyncio.create_task(store.append(key, [entry(1)]))
        await asyncio.to_thread(held.taken.wait, 5)
        behind = asyncio.create_task(store.append(key, [entry(2)]))
        await asyncio.sleep(0)  # so that `behind` begins to wait
        for task in (under_way, behind):
            task.cancel()
        assert await asyncio.gather(under_way, behind, return_exceptions=True)
        held.open.set()
        await store.append(key, [entry(3)])
        return await store.load(key)

    assert run(use()) == [entry(1), entry(2), entry(3)]


def test_append_fails_if_the_manager_is_away(project_key: str) -> None:
    with refused_url() as url, ManagerClient(url) as away, TranscriptStore(away) as store:
        with pytest.raises(SessionClientError):
            run(store.append(key_of(project_key), [entry(1)]))
        with pytest.raises(SessionClientError):
            run(store.load(key_of(project_key)))
