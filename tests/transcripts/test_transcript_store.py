"""The Agent SDK's session store on a real manager: the suite of the SDK and further cases."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pytest
from claude_agent_sdk import SessionStore
from claude_agent_sdk.testing import run_session_store_conformance

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.transcripts.batch import to_line
from agent_orchestrator.transcripts.store import TranscriptStore
from tests.support.loops import run
from tests.support.transcripts import entry, folded, key_of, summary_of
from tests.transcripts.conftest import OpenStore

PAGE_BYTES = 4 * 1024 * 1024


def test_sdk_suite_passes(open_store: OpenStore, project_key: str) -> None:
    numbers = count()

    def fresh() -> SessionStore:
        return open_store(namespace=f"{project_key}-{next(numbers)}")

    run(run_session_store_conformance(fresh))
    assert next(numbers) >= 14


def test_append_repeated_by_the_sdk_is_stored_once(
    store: TranscriptStore, project_key: str
) -> None:
    async def append_twice() -> Any:
        for _ in range(2):
            await store.append(key_of(project_key), [entry(1), entry(2)])
        return await store.load(key_of(project_key))

    assert run(append_twice()) == [entry(1), entry(2)]


def test_concurrent_appends_keep_every_line_once_and_in_order(
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
            common: Any = {"type": "x", "uuid": f"shared-{start}"}
            await store.append(key, [*own, common])

    async def append_all() -> list[Any]:
        await asyncio.gather(*(append(name, store) for name, store in enumerate(stores)))
        return await stores[0].load(key) or []

    entries = run(append_all())
    own = [found for found in entries if "by" in found]
    assert len(entries) == len({found["uuid"] for found in entries}) == 8 * 50 + 10
    for name in range(8):
        assert [found["n"] for found in own if found["by"] == name] == list(range(50))
    turns = sum(a["by"] != b["by"] for a, b in zip(own, own[1:], strict=False))
    assert turns > 8  # the appends did overlap
    summary = run(summary_of(stores[0], project_key))
    assert summary["data"] == folded(project_key, entries)


def test_many_entries_are_loaded_in_order_in_bounded_pages(
    manager_client: ManagerClient, store: TranscriptStore, project_key: str
) -> None:
    entries = [entry(n, text="é" * 400 + "x" * (n % 800)) for n in range(15_000)]

    async def append_and_load() -> Any:
        for start in range(0, len(entries), 5000):
            await store.append(key_of(project_key), entries[start : start + 5000])
        return await store.load(key_of(project_key))

    assert run(append_and_load()) == entries
    named = {"project_key": project_key, "session_id": "s"}
    sizes = [
        sum(len(to_line(found).encode()) for found in page)
        for page in manager_client.iterate_entries(named)
    ]
    assert len(sizes) >= sum(sizes) // PAGE_BYTES > 3
    assert max(sizes) <= PAGE_BYTES


def test_line_of_20_mb_is_loaded_unchanged(store: TranscriptStore, project_key: str) -> None:
    large = entry(1, text='x\n"é🦾' * 2_000_000)
    assert len(to_line(large).encode()) > 20_000_000

    async def append_and_load() -> Any:
        await store.append(key_of(project_key), [entry(0), large, entry(2)])
        return await store.load(key_of(project_key))

    assert run(append_and_load()) == [entry(0), large, entry(2)]


def test_any_json_value_is_loaded_unchanged(store: TranscriptStore, project_key: str) -> None:
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


def test_value_that_is_not_json_is_refused(store: TranscriptStore, project_key: str) -> None:
    for value in (float("nan"), object(), {1, 2}):
        with pytest.raises((TypeError, ValueError)):
            run(store.append(key_of(project_key), [entry(1), entry(2, value=value)]))
    assert run(store.load(key_of(project_key))) is None


def test_delete_cascades_and_the_session_can_start_again(
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
