"""`ao-stop`: what runs, what its supervisor left, and what the manager cannot be asked about."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.shell import (
    DONE,
    FAILED,
    NOT_FINISHED,
    NOT_FOUND,
    Ended,
    Gate,
    Shell,
    is_alive,
    kill_supervisor,
    start_detached,
    supervisor_of,
)
from tests.support.manager import RunningManager
from tests.support.recording import refused_url
from tests.support.waiting import wait_for


def test_several_are_stopped_and_none_of_their_processes_is_left(
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


def test_json_is_the_sessions_as_they_ended(shell: Shell, gate: Gate, started: Path) -> None:
    start_detached(shell, "x", started, gate)
    ended = shell.run("ao-stop", "x", "--json")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert ended.json == [shell.run("ao-status", "x", "--json").json]


def test_one_that_has_ended_stays_as_it_was(shell: Shell) -> None:
    shell.run("ao-new", "x", "--executor", "command", "--", "false")
    assert shell.run("ao-stop", "x") == Ended(DONE, "x failed\n", "")


def test_an_unknown_one_among_several_stops_none(shell: Shell, gate: Gate, started: Path) -> None:
    _, pid = start_detached(shell, "x", started, gate)
    ended = shell.run("ao-stop", "x", "nobody")
    assert (ended.exit_code, ended.stdout) == (NOT_FOUND, "")
    assert ended.stderr.startswith("ao-stop: no session 'nobody' in ")
    assert is_alive(pid)


def test_one_of_another_project_is_stopped_by_its_whole_id_only(
    shell: Shell, gate: Gate, started: Path, tmp_path: Path
) -> None:
    session_id, _ = start_detached(shell, "x", started, gate)
    elsewhere = shell.at(tmp_path)
    assert elsewhere.run("ao-stop", "x").exit_code == NOT_FOUND
    assert elsewhere.run("ao-stop", session_id[:12]).exit_code == NOT_FOUND
    assert elsewhere.run("ao-stop", session_id) == Ended(DONE, "x stopped\n", "")


STUBBORN = 'trap "" INT TERM; echo $$ >> "$0"; while read word < "$1"; do :; done'


def test_the_time_that_is_up_ends_the_waiting_while_the_stop_goes_on(
    shell: Shell, gate: Gate, started: Path
) -> None:
    program = ["sh", "-c", STUBBORN, str(started), str(gate.path)]
    shell.run("ao-new", "x", "--detach", "--executor", "command", "--", *program)
    wait_for(started.exists, "the program runs")
    assert shell.run("ao-stop", "x", "--timeout", "0") == Ended(NOT_FINISHED, "", "")
    assert shell.run("ao-wait", "x") == Ended(FAILED, "x stopped\n", "")


def test_what_a_dead_supervisor_left_is_cleared(
    shell: Shell, gate: Gate, started: Path, start_manager: Any
) -> None:
    manager: RunningManager = start_manager()
    own = shell.having(**manager.environment())
    session_id, pid = start_detached(own, "x", started, gate)
    kill_supervisor(own.state_dir, session_id)
    assert is_alive(pid)
    assert own.run("ao-stop", "x") == Ended(
        DONE, "x lost\n", "ao-stop: the supervisor of 'x' had died: 1 stopped\n"
    )
    assert not is_alive(pid)


def test_with_the_manager_away_the_supervisors_of_this_machine_are_asked(
    shell: Shell, gate: Gate, started: Path, start_manager: Any
) -> None:
    manager: RunningManager = start_manager()
    own = shell.having(**manager.environment())
    session_id, pid = start_detached(own, "x", started, gate)
    supervisor = supervisor_of(own.state_dir, session_id).pid
    manager.kill()
    ended = own.run("ao-stop", "x")
    assert (ended.exit_code, ended.stdout) == (DONE, "asked the supervisor of x to stop\n")
    assert ended.stderr.endswith(": asking the supervisors of this machine\n")
    wait_for(lambda: not is_alive(pid), "the program is stopped")

    def stop_again() -> bool:
        with suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGTERM)
        return not is_alive(supervisor)

    # It waits for its manager, to tell it the end: now that is stopped, and left to the next.
    wait_for(stop_again, "the supervisor ends")
    start_manager(manager.directory, port=manager.port)
    assert own.run("ao-wait", "x") == Ended(FAILED, "x stopped\n", "")


@pytest.mark.parametrize("tree", [True, False])
def test_with_the_manager_away_a_tree_is_stopped_with_all_that_is_in_it(
    shell: Shell, gate: Gate, started: Path, start_manager: Any, tree: bool
) -> None:
    manager: RunningManager = start_manager()
    own = shell.having(**manager.environment())
    start_family(own, gate, started)
    pids = [int(pid) for pid in started.read_text().split()]
    manager.kill()
    ended = own.run("ao-stop", "parent", *(["--tree"] if tree else []))
    asked = ["parent", "child"] if tree else ["parent"]
    assert ended.stdout.splitlines() == [f"asked the supervisor of {n} to stop" for n in asked]
    left = 0 if tree else 1
    wait_for(lambda: sum(map(is_alive, pids)) == left, "they are stopped")


def test_with_the_manager_away_a_session_that_is_not_of_this_machine_is_not_found(
    shell: Shell,
) -> None:
    with refused_url() as url:
        ended = shell.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=url).run("ao-stop", "x")
    assert (ended.exit_code, ended.stdout) == (NOT_FOUND, "")
    assert url in ended.stderr
    assert ended.stderr.endswith("ao-stop: no run of 'x' is supervised on this machine\n")


def start_family(shell: Shell, gate: Gate, started: Path) -> None:
    """A session whose program starts another one, and then waits as that does."""
    child = ["ao-new", "child", "--detach", "--executor", "command", "--", "sh", "-c"]
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


def test_a_parent_that_is_stopped_leaves_its_child(
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


def test_a_tree_is_stopped_with_all_that_is_in_it(shell: Shell, gate: Gate, started: Path) -> None:
    start_family(shell, gate, started)
    rows = shell.run("ao-list-sessions", "--here", "--tree").stdout.splitlines()[1:]
    assert [row.split("  ")[0] for row in rows] == ["parent", "└ child"]
    ended = shell.run("ao-stop", "parent", "--tree")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert sorted(ended.stdout.splitlines()) == ["child stopped", "parent stopped"]
    assert not any(is_alive(int(pid)) for pid in started.read_text().split())
