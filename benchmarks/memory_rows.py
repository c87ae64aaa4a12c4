"""The rows about resident memory, each compared with its goal."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from agent_orchestrator.runs.registry import list_registered
from benchmarks import servers
from benchmarks.answers import TIMEOUT_SECONDS
from benchmarks.command_rows import COMMANDS
from benchmarks.effort import Effort
from benchmarks.measure import Row
from tests.claude.conftest import OFFLINE
from tests.codex.conftest import CONFIG
from tests.commands.conftest import let_tools_run
from tests.support.model_server import script, start_model_server, tool

MANAGER_GOAL_MIB = 80.0
SUPERVISOR_GOAL_MIB = 30.0
CLAUDE_GOAL_MIB = 45.0
CODEX_GOAL_MIB = 45.0


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


def claude_memory(effort: Effort) -> Row:
    row = _row("claude memory", "resident memory of a Claude supervisor", CLAUDE_GOAL_MIB)
    asks = ["run", "-p", script(tool("Bash", command="sleep 3600"))]
    with (
        tempfile.TemporaryDirectory() as home,
        start_model_server(Path(home) / "requests.jsonl") as model,
        servers.manager(sessions=False) as server,
    ):
        environ = {
            **server.environ(),
            **OFFLINE,
            "HOME": home,
            "ANTHROPIC_API_KEY": "sk-ant-dummy",
            "ANTHROPIC_BASE_URL": model.url,
        }
        let_tools_run(Path(home))

        def resident(_: int) -> float:
            return _supervisor_mib(server, environ, asks, ready="pre_tool")

        return row.alternate(resident, lambda _: CLAUDE_GOAL_MIB, rounds=effort.page_rounds)


def codex_memory(effort: Effort) -> Row:
    row = _row("codex memory", "resident memory of a Codex supervisor", CODEX_GOAL_MIB)
    call = tool("exec_command", cmd="sleep 3600", yield_time_ms=3_600_000)
    asks = ["run", "--executor", "codex", "-p", script(call)]
    with (
        tempfile.TemporaryDirectory() as home,
        start_model_server(Path(home) / "requests.jsonl") as model,
        servers.manager(sessions=False) as server,
    ):
        environ = {**server.environ(), "CODEX_HOME": home, "STAND_IN_KEY": "k"}
        config = CONFIG.format(url=json.dumps(f"{model.url}/v1"))
        Path(home, "config.toml").write_text(config)

        def resident(_: int) -> float:
            return _supervisor_mib(server, environ, asks, ready="pre_tool")

        return row.alternate(resident, lambda _: CODEX_GOAL_MIB, rounds=effort.page_rounds)


def _supervisor_mib(
    server: servers.Server, environ: Mapping[str, str], arguments: list[str], *, ready: str
) -> float:
    """Return the memory of the supervisor of a new run that has recorded an event `ready`."""
    assert server.state_dir is not None  # a manager has one
    session_id = _run(environ, "ao-new", "--detach", *arguments)
    try:
        _wait_for_event(server, session_id, ready)
        [entry] = list_registered(server.state_dir)
        return _resident_mib(entry.run.pid)
    finally:
        _run(environ, "ao-stop", session_id)
        _run(environ, "ao-clean", "--yes", session_id)


def _row(name: str, what: str, goal_mib: float) -> Row:
    beside = f"{goal_mib:g} MiB"
    return Row(name=name, what=what, beside=beside, unit="MiB", goal=1.0, is_rate=False)


def _run(environ: Mapping[str, str], command: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(COMMANDS / command), *arguments],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
    return done.stdout.strip()


def _wait_for_event(server: servers.Server, session_id: str, event_type: str) -> None:
    """Wait for the event in the feed of the session."""
    path = f"/sessions/{session_id}/events?after_seq=0"
    feed = {"Accept": "text/event-stream"}
    with server.client() as client, client.stream("GET", path, headers=feed) as response:
        response.raise_for_status()
        deadline = time.monotonic() + TIMEOUT_SECONDS
        for line in response.iter_lines():
            if line.startswith("data:") and json.loads(line[5:]).get("event_type") == event_type:
                return
            if time.monotonic() > deadline:
                break
    raise TimeoutError(f"session {session_id} has no event {event_type}")


def _resident_mib(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 1024**2
