"""`ao-stop`: running sessions, processes of dead supervisors, and an unreachable manager."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.detached_session import start_detached
from tests.commands.processes import is_alive, kill_supervisor, supervisor_of
from tests.commands.shell import DONE, FAILED, NOT_FINISHED, NOT_FOUND, USAGE, Ended, Shell
from tests.support.gate import Gate
from tests.support.manager import RunningManager
from tests.support.recording import refused_url
from tests.support.registered_process import supervisor
from tests.support.waiting import WATCHDOG_SECONDS, wait_for


def test_stop_ends_all_processes_of_several_sessions(
    shell: Shell, records: ManagerClient, gate: Gate, started: Path
) -> None:
    runs = [start_detached(shell, name, started, gate) for name in ("one", "two")]
    ended = shell.run("ao-stop", "one", "two", "one")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert sorted(ended.stdout.splitlines()) == ["one stopped", "two stopped"]
    assert not any(is_alive(pid) for _, pid in runs)
    for session_id, _ in runs:
        session = records.get_session(session_id)
        assert (session["status"], session["reason"], session["exit_code"]) == (
            "finished",
            "stopped",
            130,
        )


def test_all_running_sessions_are_stopped_after_a_question(
    shell: Shell, records: ManagerClient, gate: Gate, started: Path
) -> None:
    start_detached(shell, "one", started, gate)
    for option in ("--here", "--all"):
        unasked = shell.run("ao-stop", option)
        assert (unasked.exit_code, unasked.stdout) == (USAGE, "")
        assert f"  one (running, {shell.directory})\n" in unasked.stderr
        assert "you cannot be asked: add --yes\n" in unasked.stderr
    with shell.on_terminal("ao-stop", "--here") as terminal:
        terminal.asks("Stop 1 session? [y/N]: ")
        terminal.types("n\n")
        code, screen = terminal.end()
        assert (code, screen.splitlines()[-1]) == (FAILED, "ao-stop: nothing was stopped")
    with shell.on_terminal("ao-stop", "--here") as terminal:
        terminal.asks("Stop 1 session? [y/N]: ")
        terminal.types("y\n")
        code, screen = terminal.end()
        assert (code, screen.splitlines()[-1]) == (DONE, "one stopped")
    start_detached(shell, "two", started, gate)
    assert shell.run("ao-stop", "--here", "-y") == Ended(DONE, "two stopped\n", "")
    assert shell.run("ao-stop", "--here", "--json").json == []
    both = shell.run("ao-stop", "one", "--all")
    assert both == Ended(USAGE, "", "ao-stop: give SESSIONS, --here or --all, only one of them\n")


def test_stop_leaves_an_ended_session_unchanged(shell: Shell) -> None:
    shell.run("ao-new", "x", "--executor", "command", "--", "false")
    assert shell.run("ao-stop", "x") == Ended(DONE, "x failed\n", "")


def test_stop_asks_a_supervisor_that_may_begin_to_wait(shell: Shell) -> None:
    session_id = shell.run("ao-new", "x", "--json", "--executor", "command", "--", "true").json[
        "session_id"
    ]
    with supervisor(shell.state_dir, session_id) as process:
        assert shell.run("ao-stop", "x") == Ended(DONE, "x finished\n", "")
        assert process.wait(WATCHDOG_SECONDS) == -signal.SIGTERM


def test_only_the_meant_session_is_stopped_and_printed_in_json(
    shell: Shell, gate: Gate, started: Path, tmp_path: Path
) -> None:
    """One wrong name stops nothing. From another project, only a full id selects a session."""
    session_id, pid = start_detached(shell, "x", started, gate)
    ended = shell.run("ao-stop", "x", "missing")
    assert (ended.exit_code, ended.stdout) == (NOT_FOUND, "")
    assert ended.stderr.startswith("ao-stop: no session 'missing' in ")
    elsewhere = shell.at(tmp_path)
    assert elsewhere.run("ao-stop", "x").exit_code == NOT_FOUND
    assert elsewhere.run("ao-stop", session_id[:12]).exit_code == NOT_FOUND
    assert is_alive(pid)
    ended = elsewhere.run("ao-stop", session_id, "--json")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert ended.json == [shell.run("ao-status", "x", "--json").json]
    assert ended.json[0]["reason"] == "stopped"
    assert not is_alive(pid)


STUBBORN = 'trap "" INT; echo $$ >> "$0"; while read word < "$1"; do :; done'
"""A program that ends only at the second signal of a stop."""


def test_timeout_ends_the_wait_but_not_the_stop(shell: Shell, gate: Gate, started: Path) -> None:
    program = ["sh", "-c", STUBBORN, str(started), str(gate.path)]
    shell.run("ao-new", "x", "--detach", "--executor", "command", "--", *program)
    wait_for(started.exists, "the program runs")
    assert shell.run("ao-stop", "x", "--timeout", "0") == Ended(NOT_FINISHED, "", "")
    assert shell.run("ao-wait", "x") == Ended(FAILED, "x stopped\n", "")


def test_stop_ends_processes_of_a_dead_supervisor(
    own_shell: Shell, gate: Gate, started: Path
) -> None:
    session_id, pid = start_detached(own_shell, "x", started, gate)
    kill_supervisor(own_shell.state_dir, session_id)
    assert is_alive(pid)
    assert own_shell.run("ao-stop", "x") == Ended(
        DONE, "x lost\n", "ao-stop: the supervisor of 'x' had died: 1 process stopped\n"
    )
    assert not is_alive(pid)


def test_stop_notices_a_supervisor_that_dies_meanwhile(
    own_shell: Shell, own_records: ManagerClient, gate: Gate, started: Path
) -> None:
    session_id, pid = start_detached(own_shell, "x", started, gate)
    supervisor = supervisor_of(own_shell.state_dir, session_id).pid
    os.kill(supervisor, signal.SIGSTOP)  # it does not hear the request
    stopping = own_shell.start("ao-stop", "x", "--timeout", str(WATCHDOG_SECONDS))
    wait_for(lambda: own_records.list_requests(session_id, 1), "the stop is requested")
    os.kill(supervisor, signal.SIGKILL)
    assert stopping.end() == Ended(
        DONE, "x lost\n", "ao-stop: the supervisor of 'x' had died: 1 process stopped\n"
    )
    assert not is_alive(pid)


def test_stop_without_manager_asks_the_local_supervisors(
    own: RunningManager, own_shell: Shell, gate: Gate, started: Path, start_manager: Any
) -> None:
    session_id, pid = start_detached(own_shell, "x", started, gate)
    supervisor = supervisor_of(own_shell.state_dir, session_id).pid
    own.kill()
    ended = own_shell.run("ao-stop", "x")
    assert (ended.exit_code, ended.stdout) == (DONE, "asked the supervisor of x to stop\n")
    assert ended.stderr.endswith(": asking the supervisors of this machine\n")
    wait_for(lambda: not is_alive(pid), "the program is stopped")

    def stop_again() -> bool:
        with suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGTERM)
        return not is_alive(supervisor)

    # The supervisor waits for the manager, to deliver the end of the run. A further signal stops
    # this wait, and the next command delivers the end.
    wait_for(stop_again, "the supervisor ends")
    start_manager(own.directory, port=own.port)
    assert own_shell.run("ao-wait", "x") == Ended(FAILED, "x stopped\n", "")


def test_stop_without_manager_stops_a_run_or_a_whole_tree(
    own: RunningManager, own_shell: Shell, gate: Gate, started: Path
) -> None:
    start_family(own_shell, gate, started)
    pids = [int(pid) for pid in started.read_text().split()]
    own.kill()
    for options, asked in (((), ["parent"]), (("--tree",), ["parent", "child"])):
        ended = own_shell.run("ao-stop", "parent", *options)
        assert ended.stdout.splitlines() == [f"asked the supervisor of {n} to stop" for n in asked]
        left = len(pids) - len(asked)
        wait_for(lambda: sum(map(is_alive, pids)) == left, "the runs are stopped")  # noqa: B023  # used here


def test_stop_without_manager_finds_local_sessions_only(
    shell: Shell,
) -> None:
    with refused_url() as url:
        ended = shell.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=url).run("ao-stop", "x")
    assert (ended.exit_code, ended.stdout) == (NOT_FOUND, "")
    assert url in ended.stderr
    assert ended.stderr.endswith("ao-stop: no run of 'x' is supervised on this machine\n")


def start_family(shell: Shell, gate: Gate, started: Path) -> None:
    """Start a session whose program starts a child session; both programs wait at the gate."""
    child = shell.forked_command("ao-new", "child", "--detach", "--executor", "command")
    child += ["--", "sh", "-c"]
    waits = 'echo $$ >> "$0"; read word < "$1"; echo "$word"'
    source = (
        "import os, subprocess, sys\n"
        "subprocess.run(sys.argv[4:], check=True)\n"
        "os.execvp('sh', ['sh', '-c', sys.argv[1], sys.argv[2], sys.argv[3]])\n"
    )
    files = [str(started), str(gate.path)]
    program = [sys.executable, "-c", source, waits, *files, *child, waits, *files]
    ended = shell.run("ao-new", "parent", "--detach", "--executor", "command", "--", *program)
    assert ended.exit_code == DONE
    wait_for(
        lambda: started.exists() and len(started.read_text().split()) == 2,
        "parent and child run",
    )


def test_stop_of_a_parent_leaves_its_child_running(
    shell: Shell, records: ManagerClient, project: Path, gate: Gate, started: Path
) -> None:
    start_family(shell, gate, started)
    sessions = {s["session_name"]: s for s in records.find_sessions(project_dir=str(project))}
    assert sessions["child"]["parent_session_id"] == sessions["parent"]["session_id"]
    assert sessions["parent"]["parent_session_id"] is None
    assert shell.run("ao-stop", "parent") == Ended(DONE, "parent stopped\n", "")
    assert shell.run("ao-status", "child").stdout == "running\n"
    gate.open()
    assert shell.run("ao-wait", "child") == Ended(DONE, "child finished\n", "")


def test_tree_option_stops_parent_and_child(shell: Shell, gate: Gate, started: Path) -> None:
    start_family(shell, gate, started)
    rows = shell.run("ao-list-sessions", "--here", "--tree").stdout.splitlines()[1:]
    assert [row.split("  ")[0] for row in rows] == ["parent", "└ child"]
    ended = shell.run("ao-stop", "parent", "--tree")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert sorted(ended.stdout.splitlines()) == ["child stopped", "parent stopped"]
    assert not any(is_alive(int(pid)) for pid in started.read_text().split())
