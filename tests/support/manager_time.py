"""The time of a manager under test: a test can set its clock, or let time pass for it.

Time passes in steps of one second while the reaper of leases sleeps, so it looks at the leases
after each step. It does not take the jump for a pause of its process, however slow the machine is,
and a lease expires within a second.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent_session_manager.machine.clock import Time
from tests.support.waiting import wait_for

_LOOK_SECONDS = 0.01
_STEP_SECONDS = 1.0
_PACE = "reaper"
"""Name of the task in whose sleep time passes: a second task would take steps while it works."""


class ManagerTime:
    """The test's side: it writes two files that the manager reads, and reads one from it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._wanted = 0.0
        self.set_clock_ahead(0.0)

    def set_clock_ahead(self, seconds: float) -> None:
        """Set the manager's clock ahead by this much, as an administrator does."""
        self._write("ahead", seconds)

    def let_pass(self, seconds: float) -> None:
        """Let time pass for the running manager; return when it has passed."""
        self._wanted += seconds
        self._write("wanted", self._wanted)
        wait_for(
            lambda: _read(self._directory / "passed") >= self._wanted,
            "the time has passed",
        )

    def _write(self, name: str, seconds: float) -> None:
        _write(self._directory / name, seconds)


def live_in_time_of(directory: Path) -> None:
    """Take the manager's time from these files; time that has passed survives a restart."""
    from agent_session_manager import serve  # here, as tests that import this module do not need it

    passed = _read(directory / "passed")

    def clock() -> datetime:
        ahead = _read(directory / "ahead")
        return datetime.now(UTC) + timedelta(seconds=ahead + passed)

    def monotonic() -> float:
        return time.monotonic() + passed

    async def sleep(seconds: float) -> None:
        nonlocal passed
        task = asyncio.current_task()
        is_pace = task is not None and task.get_name() == _PACE
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            await asyncio.sleep(min(_LOOK_SECONDS, left))
            to_pass = _read(directory / "wanted") - passed
            if is_pace and to_pass > 0:
                passed += min(_STEP_SECONDS, to_pass)
                _write(directory / "passed", passed)

    serve.TIME = Time(clock=clock, monotonic=monotonic, sleep=sleep)


def _read(path: Path) -> float:
    return float(path.read_text()) if path.exists() else 0.0


def _write(path: Path, seconds: float) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(repr(seconds))
    fresh.replace(path)
