"""The rows about resident memory, each compared with its goal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import psutil

from agent_orchestrator.runs.registry import list_registered
from benchmarks import servers
from benchmarks.agents import AGENTS, wait_for_event
from benchmarks.command_rows import run_command
from benchmarks.effort import Effort
from benchmarks.measure import Row

MANAGER_GOAL_MIB = 80.0
SUPERVISOR_GOAL_MIB = 30.0
AGENT_GOAL_MIB = 45.0


def manager_memory(effort: Effort) -> Row:
    def resident(_: int) -> float:
        with servers.manager(sessions=False) as server, server.client() as client:
            client.get("/sessions?limit=1").raise_for_status()
            return _resident_mib(server.pid)

    row = _row("manager memory", "resident memory of an idle manager", MANAGER_GOAL_MIB)
    return row.alternate(resident, lambda _: MANAGER_GOAL_MIB, rounds=effort.page_rounds)


def supervisor_memory(effort: Effort) -> Row:
    row = _row("supervisor memory", "resident memory of a supervisor", SUPERVISOR_GOAL_MIB)
    # Its output is in the record once its supervisor has loaded everything.
    program = ["--executor", "command", "run", "--", "sh", "-c", "echo ready; exec sleep 3600"]
    with servers.manager(sessions=False) as server:

        def resident(_: int) -> float:
            return _supervisor_mib(server, server.environ(), program, ready="message")

        return row.alternate(resident, lambda _: SUPERVISOR_GOAL_MIB, rounds=effort.page_rounds)


def agent_rows() -> dict[str, Callable[[Effort], Row]]:
    """Return the rows about the supervisors of agents, by their names."""
    return {f"{name} memory": partial(_agent_memory, name) for name in AGENTS}


def _agent_memory(name: str, effort: Effort) -> Row:
    row = _row(f"{name} memory", f"resident memory of a supervisor of {name}", AGENT_GOAL_MIB)
    with servers.manager(sessions=False) as server, AGENTS[name](server.environ()) as agent:

        def resident(_: int) -> float:
            return _supervisor_mib(server, agent.environ, ["run", *agent.calls], ready="pre_tool")

        return row.alternate(resident, lambda _: AGENT_GOAL_MIB, rounds=effort.page_rounds)


def _supervisor_mib(
    server: servers.Server, environ: Mapping[str, str], arguments: list[str], *, ready: str
) -> float:
    """Return the memory of the supervisor of a new run that has recorded an event `ready`."""
    assert server.state_dir is not None  # a manager has one
    session_id = run_command(environ, "ao-new", "--detach", *arguments)
    try:
        wait_for_event(server, session_id, lambda event: event.get("event_type") == ready)
        [entry] = list_registered(server.state_dir)
        return _resident_mib(entry.run.pid)
    finally:
        run_command(environ, "ao-stop", session_id)
        run_command(environ, "ao-clean", "--yes", session_id)


def _row(name: str, what: str, goal_mib: float) -> Row:
    beside = f"{goal_mib:g} MiB"
    return Row(name=name, what=what, beside=beside, unit="MiB", goal=1.0, is_rate=False)


def _resident_mib(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 1024**2
