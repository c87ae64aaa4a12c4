"""Offers pending notices to the sessions that they are for.

A commit is a hint that there may be notices. Without one, the notifier looks twice a minute, since
another manager of the same database may have stopped before it could offer them.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Protocol

from agent_session_manager.domain.sessions.notice import Due
from agent_session_manager.machine.clock import Time

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
SWEEP_SECONDS = 30.0


class Notices(Protocol):
    """Operations of the manager on notices; see `manager/notices.py`."""

    @property
    def changes(self) -> int: ...

    async def find_due(self) -> Due: ...

    async def offer(self, session_id: str) -> None: ...

    def wake(self, session_ids: Collection[str]) -> None: ...


class Notifier:
    """A task that offers notices until it is cancelled."""

    def __init__(self, notices: Notices, *, time: Time) -> None:
        self._notices = notices
        self._time = time
        self._seen: int | None = None
        """Number of changes at the last look; None if notices wait for their window."""
        self._swept_at = 0.0

    async def run(self) -> None:
        while True:
            try:
                await self.tick()
            except Exception:  # a database outage must not end the loop
                logger.exception("cannot offer the notices")
                self._seen = None
            await self._time.sleep(TICK_SECONDS)

    async def tick(self) -> None:
        """Look once, if there can be something to do."""
        now, seen = self._time.monotonic(), self._notices.changes
        if seen == self._seen and now - self._swept_at < SWEEP_SECONDS:
            return
        due = await self._notices.find_due()
        for session_id in due.running:
            await self._notices.offer(session_id)
        # Their supervisors wait, and open the next run.
        self._notices.wake(due.ended)
        # Before our own changes, which can be news for the next look.
        self._seen = None if due.is_gathering else seen
        self._swept_at = now
