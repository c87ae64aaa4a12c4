"""Summaries equal the Agent SDK's fold of the whole transcript, also with several appenders."""

from __future__ import annotations

import json
import sys
import threading
from uuid import uuid4

from claude_agent_sdk import list_sessions_from_store, project_key_for_directory

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.transcripts.appends import DirectAppends
from agent_orchestrator.transcripts.batch import to_line
from agent_orchestrator.transcripts.store import TranscriptStore
from tests.support.loops import run
from tests.support.manager import RunningManager
from tests.support.output import output_of
from tests.support.transcripts import batch_of, entry, folded, key_of, summary_of
from tests.support.waiting import WATCHDOG_SECONDS


def test_concurrent_summaries_equal_the_fold_of_the_transcript(
    manager_client: ManagerClient, store: TranscriptStore, project_key: str
) -> None:
    together = threading.Barrier(8)

    def append(name: int) -> None:
        appends = DirectAppends(manager_client)
        together.wait(WATCHDOG_SECONDS)
        for n in range(10):
            found = {"type": "tag", "tag": f"{name}", "customTitle": f"{name}-{n}"}
            own = {**found, "timestamp": f"2026-01-01T00:{name:02}:{n:02}Z"}
            appends.append(batch_of(project_key, own, batch_id=uuid4().hex))

    threads = [threading.Thread(target=append, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WATCHDOG_SECONDS)
    entries = run(store.load(key_of(project_key)))
    assert entries is not None and len(entries) == 80
    (listed,) = run(store.list_sessions(project_key))
    summary = run(summary_of(store, project_key))
    assert summary["data"] == folded(project_key, entries)
    assert summary["mtime"] == listed["mtime"]


def test_outdated_summary_catches_up_with_the_next_append(
    manager_client: ManagerClient, store: TranscriptStore, project_key: str
) -> None:
    key = key_of(project_key)
    run(store.append(key, [entry(1, customTitle="one")]))
    # Like a client that ends after the lines and before their summary.
    line = to_line(entry(2, customTitle="two"))
    named = {"project_key": project_key, "session_id": "s"}
    manager_client.append_entries(named, [line.encode()], batch_id="b")
    (listed,) = run(store.list_sessions(project_key))
    left_behind = run(summary_of(store, project_key))
    assert left_behind["mtime"] < listed["mtime"]
    assert left_behind["data"]["custom_title"] == "one"
    run(store.append(key, [entry(3, lastPrompt="three")]))
    caught_up = run(summary_of(store, project_key))
    assert caught_up["data"] == folded(project_key, run(store.load(key)))
    (listed,) = run(store.list_sessions(project_key))
    assert caught_up["mtime"] == listed["mtime"]


def test_sdk_lists_the_sessions_by_their_summaries(
    store: TranscriptStore, manager: RunningManager
) -> None:
    directory = str(manager.directory)
    message = {"role": "user", "content": "count to ten"}
    key = key_of(project_key_for_directory(directory), session_id=str(uuid4()))
    run(store.append(key, [entry(1, message=message, timestamp="2026-01-01T00:00:00Z")]))
    (found,) = run(list_sessions_from_store(store, directory=directory))
    assert (found.session_id, found.summary) == (key["session_id"], "count to ten")


def test_the_sdk_is_not_imported_before_a_summary_is_folded() -> None:
    code = (
        "import sys, json, agent_orchestrator.transcripts.store;"
        "print(json.dumps([n for n in sys.modules if n.startswith('claude_agent_sdk')]))"
    )
    assert json.loads(output_of([sys.executable, "-c", code])) == []
