"""Runs one of the measuring programs on a job."""

from __future__ import annotations

import subprocess
import sys

TIMEOUT_SECONDS = 300.0


def answer(module: str, job: str, environ: dict[str, str]) -> str:
    """Run a program with the job on stdin; return its stdout."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=job,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
    return done.stdout
