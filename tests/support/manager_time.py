"""The time of a manager under test, moved by the test: its clock is set, or time passes for it.

Time that is to pass does so in steps of a second, between which the manager does what it does every
second. So it is not taken for a pause of the manager, and a lease is over in less than a second.
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


class ManagerTime:
    """What the test has of it: two files that the manager reads, and one that it writes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._wanted = 0.0
        self.set_clock_ahead(0.0)

    def set_clock_ahead(self, seconds: float) -> None:
        """Set the manager's clock, as an administrator does: it is this much ahead from now on."""
        self._write("ahead", seconds)

    def let_pass(self, seconds: float) -> None:
        """Let time pass for the manager that serves, and return once it has."""
        self._wanted += seconds
        self._write("wanted", self._wanted)
        wait_for(
            lambda: _read(self._directory / "passed") >= self._wanted,
            "the time has passed",
        )

    def _write(self, name: str, seconds: float) -> None:
        _write(self._directory / name, seconds)


def live_in_time_of(directory: Path) -> None:
    """Be the manager: take its time from these files. What has passed stays over restarts."""
    from agent_session_manager import serve  # not for the tests, which need none of it

    passed = _read(directory / "passed")

    def clock() -> datetime:
        ahead = _read(directory / "ahead")
        return datetime.now(UTC) + timedelta(seconds=ahead + passed)

    def monotonic() -> float:
        return time.monotonic() + passed

    async def sleep(seconds: float) -> None:
        nonlocal passed
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            await asyncio.sleep(min(_LOOK_SECONDS, left))
            to_pass = _read(directory / "wanted") - passed
            if to_pass > 0:
                passed += min(_STEP_SECONDS, to_pass)
                _write(directory / "passed", passed)

    serve.TIME = Time(clock=clock, monotonic=monotonic, sleep=sleep)


def _read(path: Path) -> float:
    return float(path.read_text()) if path.exists() else 0.0


def _write(path: Path, seconds: float) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(repr(seconds))
    fresh.replace(path)
