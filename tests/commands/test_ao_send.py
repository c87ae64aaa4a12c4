"""`ao-send` to sessions that accept no message; `test_ao_with_claude` tests an accepted one."""

from __future__ import annotations

from pathlib import Path

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.detached_session import start_detached
from tests.commands.processes import is_alive, kill_supervisor
from tests.commands.shell import DONE, FAILED, NOT_FOUND, USAGE, Ended, Shell
from tests.support.api import Api
from tests.support.gate import Gate
from tests.support.manager import RunningManager
from tests.support.waiting import wait_for


def test_program_refuses_a_message_and_keeps_running(
    shell: Shell, records: ManagerClient, gate: Gate, started: Path
) -> None:
    session_id, pid = start_detached(shell, "x", started, gate)
    why = "a program accepts no messages while it runs"
    refused = f"ao-send: session 'x' did not take the message: {why}\n"
    assert shell.run("ao-send", "x", "-p", "Continue.") == Ended(FAILED, "", refused)
    assert shell.run("ao-send", "x", "--json", stdin="Continue.") == Ended(FAILED, "", refused)
    assert is_alive(pid)
    assert [r["state"] for r in records.list_requests(session_id, 1)] == ["refused", "refused"]
    gate.open("done")
    assert shell.run("ao-wait", "x").exit_code == DONE
    events = list(records.iterate_events(session_id))
    assert [event["event_type"] for event in events] == ["message", "message", "session_stop"]


def test_ended_session_accepts_no_message(shell: Shell) -> None:
    shell.run("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
    assert shell.run("ao-send", "x", "-p", "Continue.") == Ended(
        FAILED, "", "ao-send: session 'x' is not running; ao-resume continues it\n"
    )


def test_missing_message_is_a_usage_error(shell: Shell) -> None:
    assert shell.run("ao-send", "x") == Ended(
        USAGE, "", "ao-send: no message: give one with -p TEXT or on stdin\n"
    )


def test_name_of_another_project_receives_no_message(
    shell: Shell, gate: Gate, started: Path, tmp_path: Path
) -> None:
    start_detached(shell, "x", started, gate)
    assert shell.at(tmp_path).run("ao-send", "x", "-p", "hi").exit_code == NOT_FOUND


def test_send_fails_if_the_run_is_lost_first(
    shell: Shell, gate: Gate, started: Path, timed_manager: RunningManager
) -> None:
    own = shell.having(**timed_manager.environment())
    session_id, _ = start_detached(own, "x", started, gate)
    kill_supervisor(own.state_dir, session_id)
    sending = own.start("ao-send", "x", "-p", "Continue.")
    with Api(timed_manager) as api:
        requests = f"/sessions/{session_id}/runs/1/requests"
        wait_for(lambda: api.get(requests).json["requests"] or None, "the request is stored")
    timed_manager.time.let_pass(60)
    ended = sending.end()
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert ended.stderr.startswith("ao-send: session 'x' ")
