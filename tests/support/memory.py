"""Memory use of a process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil


def resident_megabytes(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 2**20


_RUN = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
print(json.dumps([done.returncode, done.stdout.decode(), peak]))
"""


def run_measured(command: Sequence[str], environment: Mapping[str, str]) -> tuple[str, int]:
    """Run a command; return its output, and its largest resident memory in megabytes."""
    measured = [sys.executable, "-S", "-c", _RUN, *command]
    done = subprocess.run(measured, env=environment, stdout=subprocess.PIPE, check=True)
    exit_code, output, peak = json.loads(done.stdout)
    assert exit_code == 0, output
    return output, peak


def peak_megabytes(pid: int) -> int:
    """Return the largest resident memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) // 1024
