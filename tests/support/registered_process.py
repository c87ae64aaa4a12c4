"""A process that registers a run, as a supervisor does, and does nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUPERVISING = """
import os, sys
from pathlib import Path
from agent_orchestrator.runs.registry import RegisteredRun, registered
run = RegisteredRun(session_id=sys.argv[2], session_name="n", project_dir="/p", run=1,
                    pid=os.getpid(), marker="m")
with registered(run, Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
"""


@contextmanager
def supervisor(state_dir: Path, session_id: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process that registers a run of this session until its stdin ends."""
    command = [sys.executable, "-c", SUPERVISING, str(state_dir), session_id]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
