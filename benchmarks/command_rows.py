"""The rows about commands as whole processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from benchmarks import servers
from benchmarks.answers import TIMEOUT_SECONDS
from benchmarks.effort import Effort
from benchmarks.measure import Row
from benchmarks.workload import session_ids

COMMANDS = (
    Path(__file__).parents[1] / "plugins/agent-orchestrator/skills/agent-orchestrator/commands"
)
DETACH_GOAL_SECONDS = 0.2


def status_time(effort: Effort) -> Row:
    row = Row(
        name="status",
        what="ao-status, whole process",
        beside="python -c pass",
        unit="s",
        goal=7.0,
        is_rate=False,
    )
    with servers.manager() as server:
        environ = server.environ()
        status = [sys.executable, str(COMMANDS / "ao-status"), session_ids(0)[0]]
        return row.alternate(
            lambda _: whole_seconds(status, environ),
            lambda _: whole_seconds([sys.executable, "-c", "pass"], environ),
            rounds=effort.starts,
        )


def detach_time(effort: Effort) -> Row:
    row = Row(
        name="detach",
        what="ao-new --detach, whole process, until a supervisor has the run",
        beside=f"{DETACH_GOAL_SECONDS:g} s",
        unit="s",
        goal=1.0,
        is_rate=False,
    )
    names = count()
    with servers.manager(sessions=False) as server:
        environ = server.environ()
        new = [sys.executable, str(COMMANDS / "ao-new"), "--detach", "--executor", "command"]
        return row.alternate(
            lambda _: whole_seconds([*new, f"run {next(names)}", "--", "true"], environ),
            lambda _: DETACH_GOAL_SECONDS,
            rounds=effort.starts,
        )


def whole_seconds(command: list[str], environ: dict[str, str]) -> float:
    """Return the duration of a command; `wait` with a timeout would notice its end 50 ms late."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    watchdog = threading.Timer(TIMEOUT_SECONDS, process.kill)
    watchdog.start()
    try:
        code = process.wait()
    finally:
        watchdog.cancel()
    seconds = time.perf_counter() - started
    if code:
        raise subprocess.CalledProcessError(code, command)
    return seconds


def run_command(environ: Mapping[str, str], command: str, *arguments: str) -> str:
    """Run one of our commands to its end; return what it has printed."""
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
