"""Closes runs as lost if their holder did not contact the manager for a whole lease.

Only the silence of the holder counts, not a change of the clock or a pause of the manager. After a
start every lease gets one full term. Later, leases are extended by the time in which no holder
could reach the manager: a pause, or an outage of the database. A clock change moves them as well.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Protocol

from agent_session_manager.machine.clock import Time

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
MAX_DRIFT_SECONDS = 5.0
"""Maximum difference between clock and elapsed time, and maximum delay of a regular tick."""


class Leases(Protocol):
    """Operations of the manager on all leases; see `Manager`."""

    async def next_expiry(self) -> datetime | None: ...

    async def extend_leases(self, by: timedelta | None = None) -> int: ...

    async def reap_leases(self) -> list[str]: ...


class Reaper:
    """A task that checks the leases once a second, until it is cancelled."""

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
        """Both times are those of the last successful check."""
        self._has_failed = False
        self._owes_a_term = True

    async def run(self, *, tick_seconds: float = TICK_SECONDS) -> None:
        while True:
            try:
                await self.tick(tick_seconds)
            except Exception:  # a database outage must not end the loop
                logger.exception("cannot check the leases")
                self._has_failed = True  # no holder could reach us since the last check
            await self._time.sleep(tick_seconds)

    async def tick(self, tick_seconds: float) -> None:
        """Check once; `tick_seconds` is the intended time since the last check."""
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
            logger.warning("leases expired; the runs of these sessions are lost: %s", lost)
