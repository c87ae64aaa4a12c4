"""Runs that are stopped or killed, or whose manager is away: the record of their end."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.processes import is_alive, kill_supervisor
from tests.commands.shell import DONE, FAILED, NOT_FOUND, Ended, Running, Shell
from tests.commands.terminal import Terminal
from tests.support.gate import Gate, pids_in, waiting_program
from tests.support.manager import RunningManager
from tests.support.waiting import wait_for

FAMILY = """\
import os, subprocess, sys
pids = sys.argv[1]
def tell():
    with open(pids, "a") as file:
        file.write(f"{os.getpid()}\\n")
def linger(word):
    tell()
    sys.stdin.read()
if len(sys.argv) > 2:
    os.setsid()
    if sys.argv[2] == "orphan" and os.fork():
        os._exit(0)
    linger(sys.argv[2])
for kind in ("session", "orphan"):
    subprocess.Popen([sys.executable, "-S", *sys.argv[:2], kind], stdin=subprocess.PIPE)
tell()
while True:
    sys.stdin.readline() or __import__("signal").pause()
"""
"""A program with a child in another process session, and an orphan in a third one."""


def session_of(records: ManagerClient, project: Path) -> dict[str, Any]:
    (session,) = records.find_sessions(project_dir=str(project))
    return session


def start_waiting(shell: Shell, gate: Gate, started: Path, *arguments: str) -> Running:
    """Start a session whose program waits at the gate; return once the program runs."""
    program = waiting_program(started, gate)
    running = shell.start("ao-new", "x", "-p", "hi", "--executor", "command", "--", *program)
    wait_for(lambda: pids_in(started), "the program runs")
    return running


@contextmanager
def on_terminal(
    shell: Shell, started: Path, program: Sequence[str]
) -> Iterator[tuple[Terminal, int]]:
    """Start a session on a terminal; yield the terminal and the pid of the running program."""
    command = ("ao-new", "x", "-p", "hi", "--executor", "command", "--", *program)
    with shell.on_terminal(*command) as terminal:
        (pid,) = wait_for(lambda: pids_in(started), "the program runs")
        yield terminal, pid


ASKED = "ao-new: stopping; Ctrl-C again stops the waiting only\n"


def test_ctrl_c_stops_the_run_and_leaves_no_process_of_it(
    shell: Shell, records: ManagerClient, project: Path, tmp_path: Path, started: Path
) -> None:
    program = tmp_path / "family.py"
    program.write_text(FAMILY)
    command = [sys.executable, "-S", str(program), str(started)]
    running = shell.start("ao-new", "x", "-p", "hi", "--executor", "command", "--", *command)
    pids = wait_for(lambda: pids_in(started, 3), "all three processes run")
    assert all(is_alive(pid) for pid in pids)
    running.signal(signal.SIGINT)
    assert running.end() == Ended(
        FAILED, "", f"{ASKED}ao-new: session 'x' stopped: stopped on request\n"
    )
    assert not any(is_alive(pid) for pid in pids)
    session = session_of(records, project)
    assert (session["status"], session["reason"], session["exit_code"]) == (
        "finished",
        "stopped",
        130,
    )
    events = list(records.iterate_events(session["session_id"]))
    types = [event["event_type"] for event in events]
    assert (types[0], types[-1]) == ("message", "session_stop")
    assert set(types[1:-1]) <= {"stderr"}  # Python's traceback of the interrupt
    resumed = shell.run("ao-resume", "x", "--", "echo", "again")
    assert resumed == Ended(DONE, "again\n", "")


SLEEPER = 'echo progress; echo careful >&2; echo $$ >>"$0"; sleep 600'
"""A program that has printed something when its pid is in the file."""


@pytest.mark.parametrize(
    ("end", "reason"), [("stop", "stopped"), ("program", "failed"), ("supervisor", "lost")]
)
def test_output_is_kept_however_the_run_ends(
    shell: Shell, started: Path, records: ManagerClient, end: str, reason: str
) -> None:
    program = ("--executor", "command", "--", "sh", "-c", SLEEPER, str(started))
    ended = shell.run("ao-new", "x", "--detach", *program)
    with shell.on_terminal("ao-logs", "x", "--follow") as terminal:
        terminal.shows("assistant\n    progress\n")
        terminal.shows("stderr\n    careful\n")
    (pid,) = wait_for(lambda: pids_in(started), "the program has printed everything")
    if end == "stop":
        shell.run("ao-stop", "x")
    elif end == "program":
        os.kill(pid, signal.SIGKILL)
        shell.run("ao-wait", "x")
    else:
        kill_supervisor(shell.state_dir, ended.stdout.strip())
        shell.run("ao-stop", "x")
    assert shell.run("ao-get-result", "x") == Ended(DONE, "progress\n", "")
    assert records.get_session(ended.stdout.strip())["reason"] == reason


def test_output_before_the_time_limit_is_kept(shell: Shell, started: Path) -> None:
    program = ("--executor", "command", "--", "sh", "-c", SLEEPER, str(started))
    limits = iter(["0.5", "2", "8", "32", "128"])
    while not pids_in(started):  # the time was up before the program had printed everything
        limit = next(limits)
        shell.run("ao-new", f"x-{limit}", "--timeout", limit, *program)
    status = shell.run("ao-status", f"x-{limit}", "--json")
    assert status.json["reason"] == "timeout"
    assert shell.run("ao-get-result", f"x-{limit}") == Ended(DONE, "progress\n", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_command_leaves_the_run_alone(
    shell: Shell, gate: Gate, started: Path, number: signal.Signals
) -> None:
    running = start_waiting(shell, gate, started)
    (pid,) = pids_in(started) or []
    running.signal(number)
    assert running.wait_for_death() == -number
    assert is_alive(pid)
    assert shell.run("ao-status", "x") == Ended(DONE, "running\n", "")
    gate.open("all the same")
    assert shell.run("ao-wait", "x") == Ended(DONE, "x finished\n", "")
    assert shell.run("ao-get-result", "x") == Ended(DONE, "all the same\n", "")


STUBBORN = 'trap "" INT; echo $$ >> "$0"; while read word < "$1"; do :; done'
"""A program that ends only at the second signal of a stop."""


def test_second_ctrl_c_ends_the_wait_but_not_the_stop(
    shell: Shell, gate: Gate, started: Path
) -> None:
    program = ["sh", "-c", STUBBORN, str(started), str(gate.path)]
    with on_terminal(shell, started, program) as (terminal, pid):
        terminal.types("\x03")
        terminal.shows("Ctrl-C again stops the waiting only")
        terminal.types("\x03")
        code, screen = terminal.end()
    assert code == FAILED
    assert "ao-new: stopped waiting; session 'x' is stopping\n" in screen
    assert shell.run("ao-wait", "x") == Ended(FAILED, "x stopped\n", "")
    assert not is_alive(pid)


def test_closed_terminal_leaves_the_run_alone(
    shell: Shell, records: ManagerClient, project: Path, gate: Gate, started: Path
) -> None:
    with on_terminal(shell, started, waiting_program(started, gate)) as (terminal, pid):
        terminal.hang_up()
        assert terminal.wait() == -signal.SIGHUP
    assert is_alive(pid)
    gate.open("unattended")
    assert shell.run("ao-wait", "x") == Ended(DONE, "x finished\n", "")
    session = session_of(records, project)
    assert session["reason"] == "completed"
    assert types_and_runs(records, session) == COMPLETE


def types_and_runs(records: ManagerClient, session: dict[str, Any]) -> list[tuple[int, int, str]]:
    events = records.iterate_events(session["session_id"])
    return [(event["seq"], event["run"], event["event_type"]) for event in events]


def assert_done_despite_an_outage(ended: Ended) -> None:
    """Check that the command succeeded and reported the outage at most once."""
    assert (ended.exit_code, ended.stdout) == (DONE, "done\n")
    noted = ended.stderr.splitlines()
    assert len(noted) <= 1
    for line in noted:
        assert line.startswith("ao-new: the manager cannot be reached, the run continues: ")


COMPLETE = [(1, 1, "message"), (2, 1, "message"), (3, 1, "session_stop")]


def test_restarted_manager_gets_the_complete_record_once(
    own: RunningManager, own_shell: Shell, own_records: ManagerClient, gate: Gate, started: Path
) -> None:
    running = start_waiting(own_shell, gate, started)
    own.restart()
    gate.open("done")
    assert_done_despite_an_outage(running.end())
    session = session_of(own_records, own_shell.directory)
    assert types_and_runs(own_records, session) == COMPLETE


def test_command_waits_for_a_manager_that_is_away_at_the_end(
    own: RunningManager,
    own_shell: Shell,
    own_records: ManagerClient,
    gate: Gate,
    started: Path,
    start_manager: Any,
) -> None:
    running = start_waiting(own_shell, gate, started)
    (pid,) = pids_in(started) or []
    own.kill()
    gate.open("done")
    wait_for(lambda: not is_alive(pid), "the program has ended")
    start_manager(own.directory, port=own.port)
    assert_done_despite_an_outage(running.end())
    session = session_of(own_records, own_shell.directory)
    assert types_and_runs(own_records, session) == COMPLETE


def test_force_does_not_delete_a_supervised_session(
    shell: Shell, gate: Gate, started: Path
) -> None:
    running = start_waiting(shell, gate, started)
    assert shell.run("ao-clean", "--force", "x") == Ended(
        FAILED, "", "ao-clean: 'x' has a supervisor: ao-stop it first\n"
    )
    gate.open("done")
    assert running.end() == Ended(DONE, "done\n", "")
    assert shell.run("ao-clean", "x").exit_code == DONE


def test_run_of_a_deleted_session_stops_and_its_command_fails(
    shell: Shell,
    project: Path,
    gate: Gate,
    started: Path,
    start_manager: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manager: RunningManager = start_manager(variables={"AGENT_ORCHESTRATOR_LEASE_SECONDS": "15"})
    running = start_waiting(shell.having(**manager.environment()), gate, started)
    (pid,) = pids_in(started) or []
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
    with ManagerClient(manager.url) as records:
        session_id = session_of(records, project)["session_id"]
        records._request("DELETE", f"/sessions/{session_id}?force=true")
    ended = running.end()
    assert (ended.exit_code, ended.stdout) == (NOT_FOUND, "")
    assert f"no session '{session_id}'" in ended.stderr
    wait_for(lambda: not is_alive(pid), "the program is stopped")


@pytest.mark.parametrize("where", ["/dev/null/state", "/proc/state"])
def test_impossible_state_directory_creates_no_session(
    shell: Shell, records: ManagerClient, project: Path, manager: RunningManager, where: str
) -> None:
    nowhere = shell.having(
        AGENT_ORCHESTRATOR_STATE_DIR=where, AGENT_ORCHESTRATOR_TOKEN=manager.token
    )
    ended = nowhere.run("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert ended.stderr.startswith(f"ao-new: {where}: ")
    assert "Errno" not in ended.stderr
    assert list(records.find_sessions(project_dir=str(project))) == []


MOUNT_FULL = (
    'mount -t tmpfs -o size=4k,mode=700 none "$0" && ! cat /dev/zero 2>&- >"$0/full" && exec "$@"'
)


def test_full_state_directory_creates_no_session(
    shell: Shell,
    records: ManagerClient,
    project: Path,
    manager: RunningManager,
    tmp_path: Path,
    own_mounts: tuple[str, ...],
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    told = shell.having(
        AGENT_ORCHESTRATOR_STATE_DIR=str(full), AGENT_ORCHESTRATOR_TOKEN=manager.token
    )
    ended = replace(told, prefix=(*own_mounts, "sh", "-c", MOUNT_FULL, str(full))).run(
        "ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat"
    )
    assert ended == Ended(FAILED, "", f"ao-new: {full}/seal.key: {os.strerror(errno.ENOSPC)}\n")
    assert list(records.find_sessions(project_dir=str(project))) == []
