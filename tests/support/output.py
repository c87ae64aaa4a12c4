"""The output of a program that is expected to succeed."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.waiting import WATCHDOG_SECONDS


def output_of(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = WATCHDOG_SECONDS,
) -> str:
    """Run a command that succeeds and writes nothing to stderr, and return its output."""
    ran = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran
    return ran.stdout
