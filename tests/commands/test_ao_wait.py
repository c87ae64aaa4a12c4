"""`ao-wait`: waits for one session, for several, for the first of them, or until a timeout."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.detached_session import start_detached
from tests.commands.processes import kill_supervisor
from tests.commands.shell import DONE, FAILED, NOT_FINISHED, NOT_FOUND, USAGE, Ended, Shell
from tests.support.gate import Gate
from tests.support.manager import RunningManager
from tests.support.rows import each_row

Finish = Callable[..., None]


@pytest.fixture
def finish(records: ManagerClient, project: Path, new_id: Callable[[], str]) -> Finish:
    """A function that creates a session that has ended."""

    def make(name: str, reason: str = "completed") -> None:
        session_id = new_id()
        records.create_session(session_id, name, project_dir=str(project))
        records.add_event(session_id, {"event_type": "session_stop", "reason": reason})

    return make


def test_ended_sessions_are_printed_at_once_and_once(shell: Shell, finish: Finish) -> None:
    finish("one")
    finish("two")
    both = "one finished\ntwo finished\n"
    assert shell.run("ao-wait", "one", "two", "one") == Ended(DONE, both, "")
    ended = shell.run("ao-wait", "one", "--json")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert ended.json == [shell.run("ao-status", "one", "--json").json]
    finish("three", "failed")
    failed = shell.run("ao-wait", "one", "three")
    assert failed == Ended(FAILED, "one finished\nthree failed\n", "")
    assert shell.run("ao-wait", "three", "one", "--any").exit_code == FAILED


def test_wait_ends_with_the_last_of_several_sessions(
    shell: Shell, gate: Gate, started: Path
) -> None:
    for name in ("one", "two"):
        start_detached(shell, name, started, gate)
    waiting = shell.start("ao-wait", "one", "two")
    gate.open()
    gate.open()
    ended = waiting.end()
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert sorted(ended.stdout.splitlines()) == ["one finished", "two finished"]


def test_wait_ends_early_with_any_or_a_timeout_or_a_wrong_name(
    shell: Shell, finish: Finish, gate: Gate, started: Path
) -> None:
    start_detached(shell, "slow", started, gate)
    finish("quick")
    assert shell.run("ao-wait", "slow", "quick", "--any") == Ended(DONE, "quick finished\n", "")
    for seconds in ("0", "0.3"):
        assert shell.run("ao-wait", "slow", "quick", "--timeout", seconds) == Ended(
            NOT_FINISHED, "quick finished\n", ""
        )
    in_json = shell.run("ao-wait", "slow", "--timeout", "0", "--json")
    assert in_json == Ended(NOT_FINISHED, "[]\n", "")
    ended = shell.run("ao-wait", "slow", "missing")
    assert (ended.exit_code, ended.stdout) == (NOT_FOUND, "")
    assert ended.stderr.startswith("ao-wait: no session 'missing' in ")
    assert shell.run("ao-status", "slow").stdout == "running\n"


@each_row("seconds", ["-1", "soon", "nan", "inf"])
def test_timeout_must_be_a_number_of_seconds(shell: Shell, seconds: str) -> None:
    for command in ("ao-wait", "ao-stop", "ao-new"):
        ended = shell.run(command, "x", "--timeout", seconds)
        assert (ended.exit_code, ended.stdout) == (USAGE, "")
        assert "--timeout" in ended.stderr


def test_wait_ends_as_lost_after_the_supervisor_died(
    shell: Shell, gate: Gate, started: Path, timed_manager: RunningManager
) -> None:
    own = shell.having(**timed_manager.environment())
    session_id, _ = start_detached(own, "x", started, gate)
    waiting = own.start("ao-wait", "x")
    kill_supervisor(own.state_dir, session_id)
    timed_manager.time.let_pass(60)
    assert waiting.end() == Ended(FAILED, "x lost\n", "")


def test_wait_survives_an_outage_of_the_manager(
    own: RunningManager, own_shell: Shell, gate: Gate, started: Path, start_manager: Any
) -> None:
    quick = ("ao-new", "quick", "--executor", "command", "--", "true")
    assert own_shell.run(*quick).exit_code == DONE
    start_detached(own_shell, "x", started, gate)
    with own_shell.on_terminal("ao-wait", "quick", "x") as terminal:
        terminal.shows("quick finished\n")
        own.kill()
        terminal.shows("ao-wait: the manager cannot be reached, waiting for it: ")
        start_manager(own.directory, port=own.port)
        gate.open()
        code, screen = terminal.end()
    assert code == DONE
    assert screen.splitlines()[2:] == ["x finished"]


def test_ctrl_c_ends_the_wait_and_not_the_run(shell: Shell, gate: Gate, started: Path) -> None:
    start_detached(shell, "x", started, gate)
    with shell.on_terminal("ao-wait", "x", "--timeout", "30") as terminal:
        terminal.asks("")
        terminal.types("\x03")
        assert terminal.end()[0] in (FAILED, -signal.SIGINT)
    assert shell.run("ao-status", "x").stdout == "running\n"
