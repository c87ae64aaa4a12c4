"""`ao-wait`: for one session, for several, for the first of them, and not for ever."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.commands.shell import (
    DONE,
    FAILED,
    NOT_FINISHED,
    NOT_FOUND,
    USAGE,
    Ended,
    Gate,
    Shell,
    kill_supervisor,
    start_detached,
)
from tests.support.manager import RunningManager
from tests.support.rows import each_row


def finish(shell: Shell, name: str, program: str = "true") -> None:
    shell.run("ao-new", name, "--executor", "command", "--", program)


def test_sessions_that_have_ended_are_told_at_once_each_once(shell: Shell) -> None:
    finish(shell, "one")
    finish(shell, "two")
    assert shell.run("ao-wait", "one", "two", "one") == Ended(
        DONE, "one finished\ntwo finished\n", ""
    )


def test_one_that_failed_fails_the_wait(shell: Shell) -> None:
    finish(shell, "one")
    finish(shell, "two", "false")
    assert shell.run("ao-wait", "one", "two") == Ended(FAILED, "one finished\ntwo failed\n", "")
    assert shell.run("ao-wait", "two", "one", "--any").exit_code == FAILED


def test_json_is_the_sessions_as_they_ended(shell: Shell) -> None:
    finish(shell, "one")
    ended = shell.run("ao-wait", "one", "--json")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert ended.json == [shell.run("ao-status", "one", "--json").json]


def test_several_that_run_are_waited_for_until_the_last(
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


def test_any_is_over_with_the_first(shell: Shell, gate: Gate, started: Path) -> None:
    start_detached(shell, "slow", started, gate)
    finish(shell, "quick")
    assert shell.run("ao-wait", "slow", "quick", "--any") == Ended(DONE, "quick finished\n", "")
    assert shell.run("ao-status", "slow").stdout == "running\n"


@pytest.mark.parametrize("options", [["--timeout", "0"], ["--timeout", "0.3"]])
def test_the_time_that_is_up_is_told_from_a_failure(
    shell: Shell, gate: Gate, started: Path, options: list[str]
) -> None:
    start_detached(shell, "slow", started, gate)
    finish(shell, "quick")
    assert shell.run("ao-wait", "slow", "quick", *options) == Ended(
        NOT_FINISHED, "quick finished\n", ""
    )
    assert shell.run("ao-wait", "slow", *options, "--json") == Ended(NOT_FINISHED, "[]\n", "")


def test_an_unknown_one_among_several_is_found_out_before_the_wait(
    shell: Shell, gate: Gate, started: Path
) -> None:
    start_detached(shell, "slow", started, gate)
    ended = shell.run("ao-wait", "slow", "nobody")
    assert (ended.exit_code, ended.stdout) == (NOT_FOUND, "")
    assert ended.stderr.startswith("ao-wait: no session 'nobody' in ")


@each_row("seconds", ["-1", "soon", "nan", "inf"])
def test_a_time_is_a_number_of_seconds(shell: Shell, seconds: str) -> None:
    for command in ("ao-wait", "ao-stop", "ao-new"):
        ended = shell.run(command, "x", "--timeout", seconds)
        assert (ended.exit_code, ended.stdout) == (USAGE, "")
        assert "--timeout" in ended.stderr


def test_a_run_that_nobody_supervises_any_more_is_lost_and_the_wait_over(
    shell: Shell, gate: Gate, started: Path, start_manager: Any
) -> None:
    manager: RunningManager = start_manager(moves_time=True)
    own = shell.having(**manager.environment())
    session_id, _ = start_detached(own, "x", started, gate)
    waiting = own.start("ao-wait", "x")
    kill_supervisor(own.state_dir, session_id)
    manager.time.let_pass(60)
    assert waiting.end() == Ended(FAILED, "x lost\n", "")


def test_an_outage_of_the_manager_is_waited_out(
    shell: Shell, gate: Gate, started: Path, start_manager: Any
) -> None:
    manager: RunningManager = start_manager()
    own = shell.having(**manager.environment())
    finish(own, "quick")
    start_detached(own, "x", started, gate)
    with own.on_terminal("ao-wait", "quick", "x") as terminal:
        terminal.shows("quick finished\n")
        manager.kill()
        terminal.shows("ao-wait: the manager cannot be reached, waiting for it: ")
        start_manager(manager.directory, port=manager.port)
        gate.open()
        code, screen = terminal.end()
    assert code == DONE
    assert screen.splitlines()[2:] == ["x finished"]


def test_ctrl_c_ends_the_waiting_and_not_the_run(shell: Shell, gate: Gate, started: Path) -> None:
    start_detached(shell, "x", started, gate)
    with shell.on_terminal("ao-wait", "x", "--timeout", "30") as terminal:
        terminal.asks("")
        terminal.types("\x03")
        assert terminal.end()[0] in (FAILED, -signal.SIGINT)
    assert shell.run("ao-status", "x").stdout == "running\n"
