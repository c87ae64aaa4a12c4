"""The Agent SDK's store over a real manager: its own suite, and what that one does not try."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from claude_agent_sdk import SessionStore, fold_session_summary, list_sessions_from_store
from claude_agent_sdk.testing import run_session_store_conformance
from claude_agent_sdk.types import SessionKey, SessionSummaryEntry

from agent_orchestrator.manager_client import ManagerClient
from agent_orchestrator.session_client import SessionClientError
from agent_orchestrator.transcript_appends import Batch, DirectAppends, to_line
from agent_orchestrator.transcript_store import TranscriptStore
from tests.support.loops import run
from tests.support.manager import RunningManager
from tests.support.recording import refused_url
from tests.transcripts.conftest import OpenStore

PAGE_BYTES = 4 * 1024 * 1024
LONG_SECONDS = 60.0
"""For tests that move tens of megabytes on a machine that does other things too."""


def key_of(project_key: str, **more: Any) -> SessionKey:
    key: SessionKey = {"project_key": project_key, "session_id": "s", **more}  # type: ignore[typeddict-item]  # what a test adds is a key of it
    return key


def entry(n: int, **more: Any) -> Any:
    return {"type": "user", "uuid": f"{n}", "n": n, **more}


def batch_of(project_key: str, *entries: Any, batch_id: str = "b") -> Batch:
    return Batch(
        batch_id=batch_id,
        project_key=project_key,
        session_id="s",
        subpath=None,
        lines=tuple(map(to_line, entries)),
    )


async def summary_of(store: TranscriptStore, project_key: str) -> SessionSummaryEntry:
    (summary,) = await store.list_session_summaries(project_key)
    return summary


def folded(project_key: str, entries: list[Any] | None) -> dict[str, Any]:
    """What the SDK makes of a whole transcript in one go."""
    assert entries is not None
    return fold_session_summary(None, key_of(project_key), entries)["data"]


def test_sdk_suite_passes(open_store: OpenStore, project_key: str) -> None:
    numbers = count()

    def fresh() -> SessionStore:
        return open_store(namespace=f"{project_key}-{next(numbers)}")

    run(run_session_store_conformance(fresh), seconds=30)
    assert next(numbers) >= 14


def test_batch_that_is_sent_again_is_stored_once_also_without_uuids(
    manager_client: ManagerClient, store: TranscriptStore, project_key: str
) -> None:
    appends = DirectAppends(manager_client)
    first = batch_of(project_key, entry(1), {"type": "mode"}, {"type": "mode"}, batch_id="first")
    second = batch_of(project_key, entry(2), entry(1), {"type": "mode"}, batch_id="second")
    for batch in (first, first, second, first, second):
        appends.append(batch)
    mode = {"type": "mode"}
    assert run(store.load(key_of(project_key))) == [entry(1), mode, mode, entry(2), mode]


def test_sdk_may_append_again_what_it_was_told_had_failed(
    store: TranscriptStore, project_key: str
) -> None:
    async def append_twice() -> Any:
        for _ in range(2):
            await store.append(key_of(project_key), [entry(1), entry(2)])
        return await store.load(key_of(project_key))

    assert run(append_twice()) == [entry(1), entry(2)]


def test_concurrent_appenders_keep_every_line_once_and_each_its_order(
    open_store: OpenStore, project_key: str
) -> None:
    stores = [open_store() for _ in range(8)]
    key = key_of(project_key)

    async def append(name: int, store: TranscriptStore) -> None:
        for start in range(0, 50, 5):
            own: list[Any] = [
                {
                    "type": "x",
                    "uuid": f"{name}-{n}",
                    "by": name,
                    "n": n,
                    "customTitle": f"{name}-{n}",
                }
                for n in range(start, start + 5)
            ]
            everybodys: Any = {"type": "x", "uuid": f"shared-{start}"}
            await store.append(key, [*own, everybodys])

    async def append_all() -> list[Any]:
        await asyncio.gather(*(append(name, store) for name, store in enumerate(stores)))
        return await stores[0].load(key) or []

    entries = run(append_all(), seconds=LONG_SECONDS)
    own = [found for found in entries if "by" in found]
    assert len(entries) == len({found["uuid"] for found in entries}) == 8 * 50 + 10
    for name in range(8):
        assert [found["n"] for found in own if found["by"] == name] == list(range(50))
    turns = sum(a["by"] != b["by"] for a, b in zip(own, own[1:], strict=False))
    assert turns > 8  # they did overlap
    summary = run(summary_of(stores[0], project_key))
    assert summary["data"] == folded(project_key, entries)


def test_50_000_entries_come_back_complete_and_in_order_in_pages_of_bounded_size(
    manager_client: ManagerClient, store: TranscriptStore, project_key: str
) -> None:
    entries = [entry(n, text="é" * 100 + "x" * (n % 200)) for n in range(50_000)]

    async def append_and_load() -> Any:
        for start in range(0, len(entries), 12_500):
            await store.append(key_of(project_key), entries[start : start + 12_500])
        return await store.load(key_of(project_key))

    assert run(append_and_load(), seconds=LONG_SECONDS) == entries
    named = {"project_key": project_key, "session_id": "s"}
    sizes = [
        sum(len(to_line(found).encode()) for found in page)
        for page in manager_client.iterate_entries(named)
    ]
    assert len(sizes) >= sum(sizes) // PAGE_BYTES > 3
    assert max(sizes) <= PAGE_BYTES


def test_line_of_20_mb_comes_back(store: TranscriptStore, project_key: str) -> None:
    large = entry(1, text='x\n"é🦾' * 2_000_000)
    assert len(to_line(large).encode()) > 20_000_000

    async def append_and_load() -> Any:
        await store.append(key_of(project_key), [entry(0), large, entry(2)])
        return await store.load(key_of(project_key))

    assert run(append_and_load(), seconds=LONG_SECONDS) == [entry(0), large, entry(2)]


def test_any_value_of_json_comes_back_equal(store: TranscriptStore, project_key: str) -> None:
    deep: Any = "bottom"
    for _ in range(120):
        deep = {"a": [deep]}
    strange = [
        {"type": "x", "text": "\0 \ud800 \udc00 \u2028 \x7f \x1b é🦾 \ufeff \\u0000 \"'"},
        {"type": "x", "uuid": "\ud83d", "": None, "\0": [True, False, [], {}]},
        {"type": "x", "n": 10**400, "m": -(2**64), "f": 0.1, "e": 5e-324, "z": -0.0},
        {"type": "x", "deep": deep},
    ]

    async def append_and_load() -> Any:
        await store.append(key_of(project_key), strange)  # type: ignore[arg-type]  # any objects
        return await store.load(key_of(project_key))

    loaded = run(append_and_load())
    assert loaded == strange
    assert list(map(to_line, loaded)) == list(map(to_line, strange))


def test_what_is_no_json_is_an_error_and_nothing_is_stored(
    store: TranscriptStore, project_key: str
) -> None:
    for value in (float("nan"), object(), {1, 2}):
        with pytest.raises((TypeError, ValueError)):
            run(store.append(key_of(project_key), [entry(1), entry(2, value=value)]))
    assert run(store.load(key_of(project_key))) is None


def test_summaries_under_concurrent_folds_are_what_the_whole_transcript_folds_to(
    manager_client: ManagerClient, store: TranscriptStore, project_key: str
) -> None:
    together = threading.Barrier(8)

    def append(name: int) -> None:
        appends = DirectAppends(manager_client)
        together.wait(5)
        for n in range(10):
            found = {"type": "tag", "tag": f"{name}", "customTitle": f"{name}-{n}"}
            own = {**found, "timestamp": f"2026-01-01T00:{name:02}:{n:02}Z"}
            appends.append(batch_of(project_key, own, batch_id=uuid4().hex))

    threads = [threading.Thread(target=append, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    entries = run(store.load(key_of(project_key)))
    assert entries is not None and len(entries) == 80
    (listed,) = run(store.list_sessions(project_key))
    summary = run(summary_of(store, project_key))
    assert summary["data"] == folded(project_key, entries)
    assert summary["mtime"] == listed["mtime"]


def test_summary_that_was_left_behind_is_older_and_catches_up_with_the_next_append(
    manager_client: ManagerClient, store: TranscriptStore, project_key: str
) -> None:
    key = key_of(project_key)
    run(store.append(key, [entry(1, customTitle="one")]))
    # As one does that ends between the lines and the summary.
    line = to_line(entry(2, customTitle="two"))
    named = {"project_key": project_key, "session_id": "s"}
    manager_client.append_entries(named, [line], batch_id="b")
    (listed,) = run(store.list_sessions(project_key))
    left_behind = run(summary_of(store, project_key))
    assert left_behind["mtime"] < listed["mtime"]
    assert left_behind["data"]["custom_title"] == "one"
    run(store.append(key, [entry(3, lastPrompt="three")]))
    caught_up = run(summary_of(store, project_key))
    assert caught_up["data"] == folded(project_key, run(store.load(key)))
    (listed,) = run(store.list_sessions(project_key))
    assert caught_up["mtime"] == listed["mtime"]


def test_delete_cascades_and_the_session_begins_anew(
    store: TranscriptStore, project_key: str
) -> None:
    key = key_of(project_key)
    agents = [key_of(project_key, subpath=f"subagents/agent-{n}") for n in range(3)]

    async def use() -> None:
        await store.append(key, [entry(1, customTitle="one"), entry(2)])
        for agent in agents:
            await store.append(agent, [entry(1)])
        assert await store.list_subkeys({"project_key": project_key, "session_id": "s"}) == [
            agent["subpath"] for agent in agents
        ]
        await store.delete(agents[0])
        assert await store.load(agents[0]) is None
        assert await store.load(agents[1]) == [entry(1)]
        await store.delete(key)
        for gone in (key, *agents):
            assert await store.load(gone) is None
        assert await store.list_sessions(project_key) == []
        assert await store.list_session_summaries(project_key) == []
        await store.append(key, [entry(2, aiTitle="two"), entry(3)])
        assert await store.load(key) == [entry(2, aiTitle="two"), entry(3)]
        assert (await summary_of(store, project_key))["data"]["ai_title"] == "two"
        assert "custom_title" not in (await summary_of(store, project_key))["data"]

    run(use())


def test_sdk_lists_the_sessions_by_their_summaries(
    store: TranscriptStore, manager: RunningManager
) -> None:
    directory = str(manager.directory)
    from claude_agent_sdk import project_key_for_directory

    message = {"role": "user", "content": "count to ten"}
    key = key_of(project_key_for_directory(directory), session_id=str(uuid4()))
    run(store.append(key, [entry(1, message=message, timestamp="2026-01-01T00:00:00Z")]))
    (found,) = run(list_sessions_from_store(store, directory=directory))
    assert (found.session_id, found.summary) == (key["session_id"], "count to ten")


class Held:
    """A way to the manager on which batches stay until they are asked for."""

    def __init__(self, manager: ManagerClient) -> None:
        self.direct = DirectAppends(manager)
        self.waiting: list[Batch] = []
        self.open = threading.Event()
        self.taken = threading.Event()

    def append(self, batch: Batch) -> None:
        self.taken.set()
        assert self.open.wait(5)
        self.waiting.append(batch)

    def drain(self) -> None:
        while self.waiting:
            self.direct.append(self.waiting.pop(0))


def test_everything_that_is_read_is_all_that_was_appended(
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


def test_append_of_a_cancelled_caller_takes_its_turn(
    open_store: OpenStore, manager_client: ManagerClient, project_key: str
) -> None:
    held = Held(manager_client)
    store = open_store(appends=held)
    key = key_of(project_key)

    async def use() -> Any:
        under_way = asyncio.create_task(store.append(key, [entry(1)]))
        await asyncio.to_thread(held.taken.wait, 5)
        behind = asyncio.create_task(store.append(key, [entry(2)]))
        await asyncio.sleep(0)  # so that it has begun to wait
        for task in (under_way, behind):
            task.cancel()
        assert await asyncio.gather(under_way, behind, return_exceptions=True)
        held.open.set()
        await store.append(key, [entry(3)])
        return await store.load(key)

    assert run(use()) == [entry(1), entry(2), entry(3)]


def test_manager_that_is_away_is_an_error_of_the_append(project_key: str) -> None:
    with refused_url() as url, ManagerClient(url) as away, TranscriptStore(away) as store:
        with pytest.raises(SessionClientError):
            run(store.append(key_of(project_key), [entry(1)]))
        with pytest.raises(SessionClientError):
            run(store.load(key_of(project_key)))


def test_the_sdk_is_not_imported_before_a_summary_is_folded() -> None:
    code = (
        "import sys, json, agent_orchestrator.transcript_store;"
        "print(json.dumps([n for n in sys.modules if n.startswith('claude_agent_sdk')]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert json.loads(found.stdout) == []
