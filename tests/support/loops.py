"""Event loops for tests: one per test, with a timeout or with a time that the test advances."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.support.waiting import WATCHDOG_SECONDS

T = TypeVar("T")
_TURNS_AFTER = 3
"""A due timer runs in one turn; tasks that wait for its effect run in the next turns."""


class SteppedLoop(asyncio.SelectorEventLoop):
    """A loop whose time changes only when a test advances it; its only timeout is pytest's."""

    _now = 1_000.0

    def time(self) -> float:
        return self._now

    async def advance(self, seconds: float) -> None:
        """Advance the time, and run everything that is due by then."""
        self._now += seconds
        for _ in range(_TURNS_AFTER):
            await asyncio.sleep(0)


def run_stepped(scenario: Callable[[SteppedLoop], Coroutine[Any, Any, T]]) -> T:
    """Run one coroutine to its end on a loop whose time it advances."""
    loop = SteppedLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(scenario(loop))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end, or fail with `TimeoutError`."""

    async def bounded() -> T:
        async with asyncio.timeout(WATCHDOG_SECONDS):
            return await work

    return asyncio.run(bounded())
