"""Gives up the runs whose holder has not been heard of for a whole lease.

Only silence counts, not a clock that was set and not a pause of our own. After a start every lease
gets one full term. After that each is extended by the time in which no holder could be heard: by
the length of a pause, or of an outage of the database, and by as much as the clock was set.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Protocol

from agent_session_manager.machine.clock import Time

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
MAX_DRIFT_SECONDS = 5.0
"""Between the clock and the time that passed; and how late a tick may be and still count whole."""


class Leases(Protocol):
    """What the manager does with all leases at once; see `Manager`."""

    async def next_expiry(self) -> datetime | None: ...

    async def extend_leases(self, by: timedelta | None = None) -> int: ...

    async def reap_leases(self) -> list[str]: ...


class Reaper:
    """Looks at the leases once a second, until it is cancelled."""

    def __init__(
        self,
        leases: Leases,
        *,
        time: Time,
    ) -> None:
        self._leases = leases
        self._time = time
        self._last_tick = time.monotonic()
        self._last_clock = time.clock()
        """Both of the last look that succeeded."""
        self._has_failed = False
        self._owes_a_term = True

    async def run(self, *, tick_seconds: float = TICK_SECONDS) -> None:
        while True:
            try:
                await self.tick(tick_seconds)
            except Exception:  # a database that is away for a while must not end the watch
                logger.exception("cannot look at the leases")
                self._has_failed = True  # no holder could be heard since the last look
            await self._time.sleep(tick_seconds)

    async def tick(self, tick_seconds: float) -> None:
        """Look once; `tick_seconds` is how long ago the last look should be."""
        tick, clock = self._time.monotonic(), self._time.clock()
        passed = tick - self._last_tick
        moved = (clock - self._last_clock) / timedelta(seconds=1)
        has_stalled = self._has_failed or passed - tick_seconds > MAX_DRIFT_SECONDS
        heard = min(passed, tick_seconds) if has_stalled else passed
        if self._owes_a_term:
            await self._leases.extend_leases()
        elif has_stalled or abs(moved - passed) > MAX_DRIFT_SECONDS:
            unheard = moved - heard
            logger.warning(
                "the clock moved by %.0f s in %.0f s: leases are extended by %.0f s",
                *(moved, passed, unheard),
            )
            await self._leases.extend_leases(timedelta(seconds=unheard))
        else:
            await self._reap()
        self._last_tick, self._last_clock = tick, clock
        self._has_failed = self._owes_a_term = False

    async def _reap(self) -> None:
        expiry = await self._leases.next_expiry()
        if expiry is not None and expiry <= self._time.clock():
            lost = await self._leases.reap_leases()
            logger.warning("runs were given up as lost: %s", lost)
