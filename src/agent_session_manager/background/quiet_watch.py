"""Marks running sessions as quiet that have not appended an event for long.

Only silence that the manager could have heard counts: not the time before its start, nor a pause of
it, an outage of the database, or a change of the clock.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Protocol

from agent_session_manager.domain.sessions.attention import QUIET_AFTER, QUIET_IN_CALL_AFTER
from agent_session_manager.machine.clock import Time

logger = logging.getLogger(__name__)

TICK_SECONDS = 30.0
MAX_DRIFT_SECONDS = 5.0
"""Maximum difference between clock and elapsed time, and maximum delay of a tick."""
_NEVER = datetime.min.replace(tzinfo=UTC)


class Sessions(Protocol):
    """Operations of the manager on sessions; see `Manager`."""

    async def mark_quiet(self, silent_since: datetime, in_call_since: datetime) -> list[str]: ...


class QuietWatch:
    """A task that looks for silent sessions until it is cancelled."""

    def __init__(self, sessions: Sessions, *, time: Time) -> None:
        self._sessions = sessions
        self._time = time
        self._start_again()

    def _start_again(self) -> None:
        self._heard_since = self._last_tick = self._time.monotonic()
        self._last_clock = self._time.clock()

    async def run(self) -> None:
        while True:
            await self._time.sleep(TICK_SECONDS)
            try:
                await self.tick()
            except Exception:  # a database outage must not end the loop
                logger.exception("cannot look for quiet sessions")
                self._start_again()

    async def tick(self) -> None:
        """Look once, a tick after the last look."""
        tick, clock = self._time.monotonic(), self._time.clock()
        passed = tick - self._last_tick
        moved = (clock - self._last_clock) / timedelta(seconds=1)
        if max(passed - TICK_SECONDS, abs(moved - passed)) > MAX_DRIFT_SECONDS:
            self._start_again()
            return
        self._last_tick, self._last_clock = tick, clock
        heard = timedelta(seconds=tick - self._heard_since)
        # Asked each time, because an outage of the database must be noticed.
        await self._sessions.mark_quiet(
            clock - QUIET_AFTER if heard >= QUIET_AFTER else _NEVER,
            clock - QUIET_IN_CALL_AFTER if heard >= QUIET_IN_CALL_AFTER else _NEVER,
        )
