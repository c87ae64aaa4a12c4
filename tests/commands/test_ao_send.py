"""`ao-send`: who cannot be told anything says why; for one who can, see `test_ao_with_claude`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.shell import (
    DONE,
    FAILED,
    NOT_FOUND,
    USAGE,
    Ended,
    Gate,
    Shell,
    is_alive,
    kill_supervisor,
    start_detached,
)
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.waiting import wait_for


def test_a_program_takes_no_message_and_goes_on(
    shell: Shell, records: ManagerClient, gate: Gate, started: Path
) -> None:
    session_id, pid = start_detached(shell, "x", started, gate)
    refused = "ao-send: session 'x' does not take it: a program takes no message while it runs\n"
    assert shell.run("ao-send", "x", "-p", "Go on.") == Ended(FAILED, "", refused)
    assert shell.run("ao-send", "x", "--json", stdin="Go on.") == Ended(FAILED, "", refused)
    assert is_alive(pid)
    assert [r["state"] for r in records.list_requests(session_id, 1)] == ["refused", "refused"]
    gate.open("done")
    assert shell.run("ao-wait", "x").exit_code == DONE
    events = list(records.iterate_events(session_id))
    assert [event["event_type"] for event in events] == ["message", "message", "session_stop"]


def test_a_session_that_has_ended_takes_none(shell: Shell) -> None:
    shell.run("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
    assert shell.run("ao-send", "x", "-p", "Go on.") == Ended(
        FAILED, "", "ao-send: session 'x' is not running; ao-resume continues it\n"
    )


def test_no_message_is_a_usage_error(shell: Shell) -> None:
    assert shell.run("ao-send", "x") == Ended(
        USAGE, "", "ao-send: no message: give one with -p TEXT or on stdin\n"
    )


def test_one_of_another_project_is_not_told_by_its_name(
    shell: Shell, gate: Gate, started: Path, tmp_path: Path
) -> None:
    start_detached(shell, "x", started, gate)
    assert shell.at(tmp_path).run("ao-send", "x", "-p", "hi").exit_code == NOT_FOUND


def test_a_message_that_nobody_took_before_the_run_was_lost_is_not_told(
    shell: Shell, gate: Gate, started: Path, start_manager: Any
) -> None:
    manager: RunningManager = start_manager(moves_time=True)
    own = shell.having(**manager.environment())
    session_id, _ = start_detached(own, "x", started, gate)
    kill_supervisor(own.state_dir, session_id)
    sending = own.start("ao-send", "x", "-p", "Go on.")
    with Api(manager) as api:
        requests = f"/sessions/{session_id}/runs/1/requests"
        wait_for(lambda: api.get(requests).json["requests"] or None, "it asks")
    manager.time.let_pass(60)
    ended = sending.end()
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert ended.stderr.startswith("ao-send: session 'x' ")
