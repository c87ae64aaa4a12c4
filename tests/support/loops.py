"""One event loop per test, and no test without an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.support.waiting import WATCHDOG_SECONDS

T = TypeVar("T")
_TURNS_AFTER = 3
"""A timer that is due calls in one turn what others hear of in the next."""


class SteppedLoop(asyncio.SelectorEventLoop):
    """A loop whose time stands still until a test advances it; it has no watchdog but pytest's."""

    _now = 1_000.0

    def time(self) -> float:
        return self._now

    async def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due by then."""
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
