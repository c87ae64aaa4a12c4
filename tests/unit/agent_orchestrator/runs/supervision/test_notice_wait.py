"""Supervisors that stay to wait for notices, and stops that reach them just before."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.executors.base import RunSpec
from agent_orchestrator.machine.environment import ENV_STATE_DIR
from agent_orchestrator.outbox.outbox import Outbox, Run
from agent_orchestrator.runs.assignment import READY, Assignment
from agent_orchestrator.runs.registry import list_registered
from agent_orchestrator.runs.supervision.drive import RunOutcome
from agent_orchestrator.runs.supervision.notice_wait import can_stay, stay
from agent_orchestrator.runs.supervision.one_run import Supervisor
from agent_orchestrator.runs.supervision.stop_signals import release_stops
from tests.support.assignments import assignment_at
from tests.support.loops import run
from tests.support.recording import Received, Reply, json_reply, recording
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

OUTLOOK = {"held": None, "newest_run": 1, "awaited": 1, "undelivered": 0, "due": False}


def assignment(url: str = "http://127.0.0.1:9") -> Assignment:
    return assignment_at(url, executor="command", run_token="t")


def request_of(kind: str) -> dict[str, Any]:
    settled = {"state": "done", "settled_at": "2026-11-26T12:00:01Z", "detail": None}
    asked = {"request_id": kind, "run": 1, "created_at": "2026-11-26T12:00:00Z"}
    return {**asked, "kind": kind, "payload": {}, **settled}


@pytest.mark.parametrize("is_signalled", [True, False])
def test_signal_at_the_last_moment_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_signalled: bool
) -> None:
    """The loop has no further round in which it could call a handler of its own."""
    programs: list[Any] = []
    monkeypatch.setattr(os, "execv", lambda *program: programs.append(program))
    stdin = os.dup(0)

    async def end() -> None:
        supervisor = Supervisor(assignment(), tmp_path, "m")
        with supervisor._stopped_by_signals():
            if is_signalled:
                os.kill(os.getpid(), signal.SIGTERM)
            stay(assignment(), stdin, is_stopped=supervisor._is_stopped)
        supervisor._manager.close()

    try:
        run(end())
    finally:
        release_stops()
        os.dup2(stdin, 0)
        os.close(stdin)
    assert bool(programs) is not is_signalled


def test_supervisor_without_room_for_a_file_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    stdin = os.dup(0)
    try:
        stay(assignment(), stdin, is_stopped=lambda: False)
    finally:
        release_stops()
        os.close(stdin)
    assert "No space left on device" in caplog.text


@each_row(
    "kinds, stays",
    [([], True), (["message"], True), (["message", "stop"], False)],
)
def test_stop_that_the_run_has_not_read_ends_its_supervisor(kinds: list[str], stays: bool) -> None:
    def answer(received: Received) -> Reply:
        if received.target.partition("?")[0].endswith("/requests"):
            return json_reply({"requests": [request_of(kind) for kind in kinds]})
        return json_reply({"notices": OUTLOOK})

    with recording(answer) as server, ManagerClient(server.url) as manager:
        assert can_stay(manager, assignment(server.url)) is stays


def test_supervisor_that_was_stopped_leaves_no_valid_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def supervise(*_: object) -> RunOutcome:
        return RunOutcome(reason="completed", exit_code=0)

    monkeypatch.setattr(Supervisor, "_supervise", supervise)
    monkeypatch.setattr(Supervisor, "_can_stay", lambda *_: True)
    monkeypatch.setattr("agent_orchestrator.runs.supervision.one_run.stay", lambda *_, **__: None)
    with recording(lambda _: json_reply({"ok": True})) as server:
        given = assignment(server.url)
        outbox = Outbox(tmp_path / "o.db", Run(session_id=given.session_id, run=1, url=given.url))
        run(Supervisor(given, tmp_path, "m").run(outbox, 0))
    assert [request.method for request in server.requests] == ["DELETE"]


def test_stop_just_after_the_takeover_is_obeyed(tmp_path: Path) -> None:
    """The signal waits while the rest of the supervisor is imported."""
    recorded: list[dict[str, Any]] = []

    def answer(received: Received) -> Reply:
        if received.method == "POST":
            recorded.extend(json.loads(received.body))
        return json_reply({"ok": True, "seqs": [1], "requests": []})

    with recording(answer) as server:
        spec = RunSpec(executor="command", project_dir=tmp_path, command=("sleep", "3600"))
        given = replace(assignment(server.url), spec=spec, cursor="g:0", run_token=None)
        environment = {"PATH": os.defpath, ENV_STATE_DIR: str(tmp_path)}
        supervisor = subprocess.run(
            [sys.executable, "-m", "agent_orchestrator.runs.supervision.supervisor"],
            input=given.to_json(),
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=WATCHDOG_SECONDS,
        )
        assert supervisor.stdout == f"{READY}\n"
        (entry,) = list_registered(tmp_path)
        os.kill(entry.run.pid, signal.SIGTERM)
        wait_for(lambda: not list_registered(tmp_path), "the supervisor has ended")
    assert [event["reason"] for event in recorded if event["event_type"] == "session_stop"] == [
        "stopped"
    ]


@each_row("executor, stays", [("command", True), ("gemini", False)])
def test_supervisor_stays_only_if_the_agent_can_go_on(executor: str, stays: bool) -> None:
    def answer(received: Received) -> Reply:
        is_list = received.target.partition("?")[0].endswith("/requests")
        return json_reply({"requests": []} if is_list else {"notices": OUTLOOK})

    with recording(answer) as server:
        given = assignment(server.url)
        supervisor = Supervisor(
            replace(given, spec=replace(given.spec, executor=executor)), Path("/"), "m"
        )
        supervisor._outbox = Mock(Outbox)
        supervisor._outbox.count_waiting.return_value = 0
        assert supervisor._can_stay(RunOutcome(reason="completed", exit_code=0)) is stays
        supervisor._manager.close()
