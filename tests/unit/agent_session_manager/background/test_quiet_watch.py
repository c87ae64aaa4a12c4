"""The watch for quiet sessions, with a clock and a monotonic time that the test moves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from agent_session_manager.background.quiet_watch import TICK_SECONDS, QuietWatch
from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.machine.clock import Time
from tests.support.loops import run

TEN_MINUTES = round(600 / TICK_SECONDS)
NEVER = datetime.min.replace(tzinfo=UTC)


class World:
    """A clock, a monotonic time, and the silences that the watch has looked for."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        self.passed = 1000.0
        self.is_unavailable = False
        self.looks: list[tuple[timedelta, timedelta | None]] = []
        self.ticks = 0
        time = Time(clock=lambda: self.now, monotonic=lambda: self.passed, sleep=self.sleep)
        self.watch = QuietWatch(self, time=time)

    async def mark_quiet(self, silent_since: datetime, in_call_since: datetime) -> list[str]:
        if self.is_unavailable:
            raise StoreUnavailableError("no database")
        if silent_since != NEVER:
            in_call = None if in_call_since == NEVER else self.now - in_call_since
            self.looks.append((self.now - silent_since, in_call))
        return []

    async def sleep(self, seconds: float) -> None:
        self.passed += seconds
        self.now += timedelta(seconds=seconds)
        self.ticks -= 1
        if self.ticks < 0:
            raise asyncio.CancelledError

    def let_pass(self, ticks: int) -> int:
        """Let the watch tick; return how often it has looked for silent sessions."""
        self.ticks, before = ticks, len(self.looks)
        with pytest.raises(asyncio.CancelledError):
            run(self.watch.run())
        self.passed -= TICK_SECONDS  # the last sleep was cancelled
        self.now -= timedelta(seconds=TICK_SECONDS)
        return len(self.looks) - before


def test_watch_looks_after_it_has_heard_long_enough() -> None:
    world = World()
    assert world.let_pass(TEN_MINUTES - 1) == 0
    assert world.let_pass(1) == 1
    assert world.looks[-1] == (timedelta(minutes=10), None)
    assert world.let_pass(2 * TEN_MINUTES - 1) == 2 * TEN_MINUTES - 1
    assert world.looks[-1] == (timedelta(minutes=10), None)
    world.let_pass(1)
    assert world.looks[-1][1] == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("passed", "moved"), [(3600.0, 3600.0), (0.0, 3600.0), (0.0, -3600.0), (6.0, 0.0)]
)
def test_time_that_was_not_heard_is_no_silence(passed: float, moved: float) -> None:
    world = World()
    assert world.let_pass(TEN_MINUTES) == 1
    world.passed += passed
    world.now += timedelta(seconds=moved)
    assert world.let_pass(TEN_MINUTES) == 0
    assert world.let_pass(1) == 1


def test_outage_of_the_database_is_no_silence() -> None:
    world = World()
    world.let_pass(TEN_MINUTES)
    world.is_unavailable = True
    world.let_pass(3)
    world.is_unavailable = False
    assert world.let_pass(TEN_MINUTES - 1) == 0
    assert world.let_pass(1) == 1
