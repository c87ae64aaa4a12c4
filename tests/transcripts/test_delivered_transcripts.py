"""Transcripts delivered through an outbox: refused lines, and lines that the manager lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.outbox.outbox import Outbox, Run
from agent_orchestrator.runs.delivery import delivery_of
from agent_orchestrator.transcripts.mirror import OutboxAppends
from agent_orchestrator.transcripts.sender import TRANSCRIPT
from tests.support.manager import RunningManager
from tests.support.manager_command import run
from tests.support.recording import Received, Reply, json_reply, recording
from tests.support.transcripts import batch_of, entry
from tests.support.waiting import WATCHDOG_SECONDS

PATIENCE_SECONDS = 60.0
TOO_DEEP = json.loads("[" * 300 + "]" * 300)


@pytest.fixture
def outbox(tmp_path: Path, manager: RunningManager) -> Iterator[Outbox]:
    with Outbox(tmp_path / "s.1.db", Run(session_id="s", run=1, url=manager.url)) as opened:
        yield opened


def lines_of(manager: ManagerClient, project_key: str, session_id: str = "s") -> list[int]:
    where = {"project_key": project_key, "session_id": session_id}
    return [line["n"] for page in manager.iterate_entries(where) for line in page]


def test_refused_lines_do_not_block_other_lines(
    manager_client: ManagerClient, outbox: Outbox, project_key: str
) -> None:
    bad = {3, 8}
    lines = [entry(n, **({"deep": TOO_DEEP} if n in bad else {})) for n in range(1, 10)]
    for line in lines:
        del line["uuid"]  # the lines are identified by their position alone
    appends = OutboxAppends(outbox)
    appends.append(batch_of(project_key, *lines, batch_id="one"))
    appends.append(batch_of(project_key, entry(10), batch_id="two"))
    delivery_of(manager_client, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
    assert lines_of(manager_client, project_key) == [1, 2, 4, 5, 6, 7, 9, 10]
    assert outbox.count_waiting() == 0
    (refused,) = outbox.list_refused()
    assert [json.loads(line)["n"] for line in refused.item[TRANSCRIPT]["lines"]] == [3, 8]
    assert "too_deep" in refused.reason or "nested" in refused.reason
    # After an interruption, the same batch is sent again, and no line is stored twice.
    appends.append(batch_of(project_key, *lines, batch_id="one"))
    delivery_of(manager_client, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
    assert lines_of(manager_client, project_key) == [1, 2, 4, 5, 6, 7, 9, 10]


def test_lines_lost_by_the_manager_are_sent_again_in_order(
    start_manager: Callable[..., RunningManager], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older backup is restored, and then the run sends only transcript lines."""
    manager = start_manager()
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
    copy = tmp_path / "copy.db"
    with (
        ManagerClient(manager.url, timeout=WATCHDOG_SECONDS) as client,
        Outbox(tmp_path / "s.1.db", Run(session_id="s", run=1, url=manager.url)) as outbox,
    ):
        client.create_session("s", "s")
        delivery = delivery_of(client, outbox)

        def send(*numbers: int) -> None:
            for n in numbers:
                batch = batch_of("sessions", entry(n), batch_id=f"b{n}")
                outbox.add({TRANSCRIPT: asdict(batch)}, TRANSCRIPT)
                other = replace(batch, subpath="subagents/a")
                outbox.add({TRANSCRIPT: asdict(other)}, TRANSCRIPT)
            delivery.deliver()

        send(1, 2)
        assert run(manager.home, "backup", str(copy), state=manager.state_dir).returncode == 0
        send(3, 4)
        manager.kill()
        assert run(manager.home, "restore", str(copy), state=manager.state_dir).returncode == 0
        manager.restart()
        assert lines_of(client, "sessions") == [1, 2]
        send(5)
        assert lines_of(client, "sessions") == [1, 2, 3, 4, 5]
        where = {"project_key": "sessions", "session_id": "s", "subpath": "subagents/a"}
        found = [line["n"] for page in client.iterate_entries(where) for line in page]
        assert found == [1, 2, 3, 4, 5]
        (summary,) = client.list_summaries({"project_key": "sessions", "session_id": "s"})
        assert summary["version"] == 5


def test_batch_of_a_run_costs_two_requests(tmp_path: Path) -> None:
    """One is for the lines, one for the summary: the last batch returned the current version."""
    position = 0

    def answer(received: Received) -> Reply:
        nonlocal position
        if received.method == "GET":
            return json_reply({"summaries": [], "next_page": None})
        if received.method == "PUT":
            return json_reply({"ok": True, "version": position})
        position += 1
        return json_reply({"ok": True, "appended": 1, "last_position": position}, 201)

    with (
        recording(answer) as server,
        ManagerClient(server.url, timeout=WATCHDOG_SECONDS) as client,
        Outbox(tmp_path / "s.1.db", Run(session_id="s", run=1, url=server.url)) as outbox,
    ):
        delivery = delivery_of(client, outbox)
        for n in range(1, 5):
            OutboxAppends(outbox).append(batch_of("sessions", entry(n), batch_id=f"b{n}"))
            delivery.deliver()
        methods = [received.method for received in server.requests]
    assert methods == ["POST", "GET", "PUT", *["POST", "PUT"] * 3]
