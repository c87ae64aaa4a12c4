"""Gives up the runs whose holder has not been heard of for a whole lease.

Only silence counts, not a clock that was set and not a pause of our own: after a start, after a
jump of the clock, after having been stopped ourselves and after the database was away, every lease
first gets one full term.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from agent_session_manager.store.base import ExtendLeases, Outcome, ReapLeases

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
MAX_DRIFT_SECONDS = 5.0
"""Between the clock and the time that passed; and how late a tick may be."""


class Reaper:
    """Looks at the leases once a second, until it is cancelled."""

    def __init__(
        self,
        commit: Callable[[ExtendLeases | ReapLeases], Awaitable[Outcome]],
        next_expiry: Callable[[], Awaitable[datetime | None]],
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._commit = commit
        self._next_expiry = next_expiry
        self._clock = clock
        self._monotonic = monotonic
        self._last_tick = monotonic()
        self._last_clock = clock()
        self._owes_a_term = True

    async def run(self, *, tick_seconds: float = TICK_SECONDS) -> None:
        while True:
            try:
                await self.tick(tick_seconds)
            except Exception:  # a database that is away for a while must not end the watch
                logger.exception("cannot look at the leases")
                self._owes_a_term = True  # no holder could be heard meanwhile
            await asyncio.sleep(tick_seconds)

    async def tick(self, tick_seconds: float) -> None:
        """Look once; `tick_seconds` is how long ago the last look should be."""
        passed = self._monotonic() - self._last_tick
        moved = (self._clock() - self._last_clock) / timedelta(seconds=1)
        self._last_tick += passed
        self._last_clock = self._clock()
        if abs(moved - passed) > MAX_DRIFT_SECONDS or passed - tick_seconds > MAX_DRIFT_SECONDS:
            logger.warning("the clock moved by %.0f s in %.0f s: leases start anew", moved, passed)
            self._owes_a_term = True
        if self._owes_a_term:
            await self._commit(ExtendLeases())
            self._owes_a_term = False
            return
        expiry = await self._next_expiry()
        if expiry is not None and expiry <= self._clock():
            lost = await self._commit(ReapLeases())
            logger.warning("runs were given up as lost: %s", lost)
