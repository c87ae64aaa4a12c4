"""One state directory shared by host and container: a pid or a port is valid in one of them only.

The container has its own process ids, or its own network.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from agent_session_manager.machine.discovery import find_manager
from tests.commands.detached_session import start_detached
from tests.commands.processes import is_alive, supervisor_of
from tests.commands.shell import DONE, FAILED, NOT_FINISHED, NOT_FOUND, Shell
from tests.commands.started_manager import manage_in
from tests.support.gate import Gate
from tests.support.manager import RunningManager
from tests.support.own_processes import in_own_processes


@pytest.fixture
def contained(shell: Shell) -> Iterator[Shell]:
    """The same shell, in a container with its own process ids."""
    prefix = in_own_processes()
    if prefix is None:
        pytest.skip("this machine allows no namespace of process ids")
    opened = replace(shell, prefix=prefix)
    yield opened
    opened.close()


def test_stop_signals_no_other_process_with_the_same_pid(
    shell: Shell, contained: Shell, started: Path, gate: Gate, manager: RunningManager
) -> None:
    session_id, program = start_detached(shell, "x", started, gate)
    away = {"AGENT_ORCHESTRATOR_SESSION_MANAGER_URL": "http://127.0.0.1:1"}
    refused = contained.having(**away).run("ao-stop", session_id)
    assert (refused.exit_code, refused.stdout) == (NOT_FOUND, "")
    assert f"the supervisor of 'x' runs on {os.uname().nodename}, in another" in refused.stderr
    supervisor = supervisor_of(shell.state_dir, session_id)
    assert is_alive(supervisor.pid) and is_alive(program)
    asked = shell.having(**away).run("ao-stop", session_id)
    assert (asked.exit_code, asked.stdout) == (DONE, "asked the supervisor of x to stop\n")
    assert shell.run("ao-wait", session_id).stdout == "x stopped\n"


def test_run_outside_a_container_is_stopped_by_request(
    shell: Shell, contained: Shell, started: Path, gate: Gate
) -> None:
    session_id, program = start_detached(shell, "x", started, gate)
    ended = contained.run("ao-stop", session_id)
    assert (ended.exit_code, ended.stdout) == (DONE, "x stopped\n")
    assert not is_alive(program)


def test_doctor_in_a_container_spares_processes_outside(
    shell: Shell, contained: Shell, started: Path, gate: Gate
) -> None:
    session_id, program = start_detached(shell, "x", started, gate)
    assert "1 run supervised" in contained.run("ao-doctor", "--fix").stdout
    assert is_alive(program)
    assert shell.run("ao-stop", session_id).exit_code == DONE


def test_manager_outside_a_container_is_not_stopped_by_its_pid(
    contained: Shell, manager: RunningManager
) -> None:
    """In the container, the pid is unused or of another process; the port may be the same."""
    port = str(manager.port)
    where = ("--port", port, "--state-dir", str(manager.state_dir))
    commands = [
        *(("stop", *where), ("status", *where), ("serve", *where)),
        ("serve", "--port", "0", *where[2:]),
    ]
    codes, (stopped, status, second, other) = manage_in(contained, *commands)
    assert codes == (1, 0, 1, 1)
    assert f"in another container or machine (process {manager.pid} there): stop it" in stopped
    assert status.startswith("running: ")
    assert f"a manager on {os.uname().nodename}, in another container or machine" in second
    assert f"(process id {manager.pid} there)" in other
    assert psutil.pid_exists(manager.pid)


def test_manager_of_another_network_is_not_reached_by_its_port(
    lonely: Shell, state_dir: Path
) -> None:
    """A program that listens on that port here gets no token; the file names the manager's host."""
    assert lonely.run("ao-list-sessions").exit_code == DONE
    outside = replace(lonely, prefix=())
    ended = outside.run("ao-list-sessions")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert f"the session manager of {state_dir} runs on {os.uname().nodename}" in ended.stderr
    token = "from agent_orchestrator.session_client import _find_token; import httpx;"
    token += "print(_find_token(httpx.URL('http://127.0.0.1:8765')) is not None)"
    assert lonely.output_of(token) == "True\n"
    assert outside.output_of(token) == "False\n"
    status = "import subprocess; print(subprocess.run(['agent-session-manager', 'status'])"
    assert outside.output_of(f"{status}.returncode)").endswith("\n3\n")
    assert lonely.output_of(f"{status}.returncode)").endswith("\n0\n")


def test_stop_of_a_lost_run_says_where_its_supervisor_is(
    contained: Shell, shell: Shell, started: Path, gate: Gate, manager: RunningManager
) -> None:
    session_id, program = start_detached(shell, "x", started, gate)
    supervisor = psutil.Process(supervisor_of(shell.state_dir, session_id).pid)
    supervisor.suspend()
    lost = "from agent_orchestrator.client.manager import ManagerClient; import sys;"
    lost += "ManagerClient(sys.argv[1]).append_events(sys.argv[2], [{'event_type': 'session_stop',"
    lost += " 'reason': 'lost', 'run': 1}])"
    shell.output_of(lost, manager.url, session_id)
    ended = contained.run("ao-stop", session_id)
    assert ended.exit_code == NOT_FINISHED
    assert "stop it there" in ended.stderr
    supervisor.send_signal(signal.SIGCONT)
    assert shell.run("ao-stop", session_id).exit_code == DONE
    assert not is_alive(program)


def test_announcement_names_the_host_of_the_manager(manager: RunningManager) -> None:
    found = find_manager(manager.state_dir, manager.port)
    assert found is not None
    assert (found.is_reachable, found.has_our_processes) == (True, True)
    assert found.host == os.uname().nodename
