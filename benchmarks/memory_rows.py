"""The rows about resident memory, each compared with its goal."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil

from agent_orchestrator.runs.registry import list_registered
from benchmarks import servers
from benchmarks.answers import TIMEOUT_SECONDS
from benchmarks.command_rows import COMMANDS
from benchmarks.effort import Effort
from benchmarks.measure import Row

MANAGER_GOAL_MIB = 80.0
SUPERVISOR_GOAL_MIB = 30.0
_POLL_SECONDS = 0.05


def manager_memory(effort: Effort) -> Row:
    def resident(_: int) -> float:
        with servers.manager(sessions=False) as server, server.client() as client:
            client.get("/sessions?limit=1").raise_for_status()
            return _resident_mib(server.pid)

    row = _row("manager memory", "resident memory of an idle manager", MANAGER_GOAL_MIB)
    return row.alternate(resident, lambda _: MANAGER_GOAL_MIB, rounds=effort.page_rounds)


def supervisor_memory(effort: Effort) -> Row:
    with servers.manager(sessions=False) as server:
        state_dir = server.state_dir
        assert state_dir is not None  # a manager has one

        def resident(number: int) -> float:
            name = f"run {number}"
            # Its output is in the record once its supervisor has loaded everything.
            program = ["sh", "-c", "echo ready; exec sleep 3600"]
            session_id = _run(
                server, "ao-new", "--detach", "--executor", "command", name, "--", *program
            )
            try:
                _wait_for_output(server, session_id)
                [entry] = list_registered(state_dir)
                return _resident_mib(entry.run.pid)
            finally:
                _run(server, "ao-stop", name)

        row = _row("supervisor memory", "resident memory of a supervisor", SUPERVISOR_GOAL_MIB)
        return row.alternate(resident, lambda _: SUPERVISOR_GOAL_MIB, rounds=effort.page_rounds)


def _row(name: str, what: str, goal_mib: float) -> Row:
    beside = f"{goal_mib:g} MiB"
    return Row(name=name, what=what, beside=beside, unit="MiB", goal=1.0, is_rate=False)


def _run(server: servers.Server, command: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(COMMANDS / command), *arguments],
        env=server.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
    return done.stdout.strip()


def _wait_for_output(server: servers.Server, session_id: str) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with server.client() as client:
        while time.monotonic() < deadline:
            events = client.get(f"/sessions/{session_id}/events").raise_for_status().json()
            if any(event.get("role") == "assistant" for event in events["events"]):
                return
            time.sleep(_POLL_SECONDS)
    raise TimeoutError(f"session {session_id} has no output")


def _resident_mib(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 1024**2
