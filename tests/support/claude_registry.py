"""The registry of running Claude Code processes, written for processes of a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def record_of(pid: int, session_id: str, **fields: Any) -> dict[str, Any]:
    """Return what Claude Code 2.1.330 writes, if the process with this id were one."""
    return {
        "pid": pid,
        "sessionId": session_id,
        "cwd": "/home/user/project",
        "startedAt": round(time.time() * 1000),
        "procStart": _start_of(pid),
        "version": "2.1.330",
        "kind": "interactive",
        "entrypoint": "cli",
        "pidDomain": _domain(),
        "status": "busy",
        **fields,
    }


def register(home: Path, session_id: str, *, pid: int | None = None, **fields: Any) -> Path:
    """Write the file of a process, by default of the test itself, and return its path."""
    own = os.getpid() if pid is None else pid
    path = home / ".claude" / "sessions" / f"{own}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record_of(own, session_id, **fields)))
    return path


def _start_of(pid: int) -> str:
    if sys.platform == "linux":
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    variables = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    found = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def _domain() -> str:
    if sys.platform != "linux":
        return "linux"
    machine = Path("/etc/machine-id")
    name = machine.read_text().strip() if machine.exists() else ""
    return f"linux:{name}:{Path('/proc/self/ns/pid').readlink()}"
