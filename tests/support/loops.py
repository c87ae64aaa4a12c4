"""One event loop per test, and no test without an end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.support.waiting import WATCHDOG_SECONDS

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end, or fail with `TimeoutError`."""

    async def bounded() -> T:
        async with asyncio.timeout(WATCHDOG_SECONDS):
            return await work

    return asyncio.run(bounded())
