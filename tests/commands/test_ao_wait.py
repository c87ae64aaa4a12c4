"""`ao-wait`: waits for one session, for several, for the first of them, or until a timeout."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.commands.detached_session import start_detached
from tests.commands.processes import kill_supervisor
from tests.commands.shell import DONE, FAILED, NOT_FINISHED, NOT_FOUND, USAGE, Ended, Shell
from tests.support.gate import Gate
from tests.support.manager import RunningManager
from tests.support.rows import each_row


def finish(shell: Shell, name: str, program: str = "true") -> None:
    shell.run("ao-new", name, "--executor", "command", "--", program)


def test_ended_sessions_are_printed_at_once_and_once(shell: Shell) -> None:
    finish(shell, "one")
    finish(shell, "two")
    assert shell.run("ao-wait", "one", "two", "one") == Ended(
        DONE, "one finished\ntwo finished\n", ""
    )


def test_failed_session_fails_the_wait(shell: Shell) -> None:
    finish(shell, "one")
    finish(shell, "two", "false")
    assert shell.run("ao-wait", "one", "two") == Ended(FAILED, "one finished\ntwo failed\n", "")
    assert shell.run("ao-wait", "two", "one", "--any").exit_code == FAILED


def test_json_is_the_sessions_as_they_ended(shell: Shell) -> None:
    finish(shell, "one")
    ended = shell.run("ao-wait", "one", "--json")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert ended.json == [shell.run("ao-status", "one", "--json").json]


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


def test_any_ends_with_the_first_session(shell: Shell, gate: Gate, started: Path) -> None:
    start_detached(shell, "slow", started, gate)
    finish(shell, "quick")
    assert shell.run("ao-wait", "slow", "quick", "--any") == Ended(DONE, "quick finished\n", "")
    assert shell.run("ao-status", "slow").stdout == "running\n"


@pytest.mark.parametrize("options", [["--timeout", "0"], ["--timeout", "0.3"]])
def test_timeout_has_its_own_exit_code(
    shell: Shell, gate: Gate, started: Path, options: list[str]
) -> None:
    start_detached(shell, "slow", started, gate)
    finish(shell, "quick")
    assert shell.run("ao-wait", "slow", "quick", *options) == Ended(
        NOT_FINISHED, "quick finished\n", ""
    )
    assert shell.run("ao-wait", "slow", *options, "--json") == Ended(NOT_FINISHED, "[]\n", "")


def test_unknown_name_among_several_fails_before_the_wait(
    shell: Shell, gate: Gate, started: Path
) -> None:
    start_detached(shell, "slow", started, gate)
    ended = shell.run("ao-wait", "slow", "missing")
    assert (ended.exit_code, ended.stdout) == (NOT_FOUND, "")
    assert ended.stderr.startswith("ao-wait: no session 'missing' in ")


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
    finish(own_shell, "quick")
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
