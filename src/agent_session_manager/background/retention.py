"""Retention: archives sessions that are unused for long, and deletes those archived for long.

Retention is off by default. It runs hourly and acts on a session only if it was due in two
consecutive runs. The clock must agree with the elapsed time between them: if it was set, or the
machine slept, retention waits another hour. The work goes through the writer in small batches, so
that appends continue.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from agent_session_manager.machine.clock import Time
from agent_session_manager.store.retention import (
    ArchiveSessions,
    DeleteArchived,
    DeleteTranscripts,
    Due,
    RetentionChange,
)

logger = logging.getLogger(__name__)

LOOK_SECONDS = 3600.0
MAX_DRIFT_SECONDS = 60.0
"""Maximum difference between the clock and the elapsed time, from one run to the next."""
FOUND_AT_ONCE = 1000
SESSIONS_AT_ONCE = 50
ROWS_AT_ONCE = 5_000
"""Maximum rows per commit, which takes about 50 ms; a single session may have more rows."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The time without use before each action; None means never."""

    archive: timedelta | None = None
    delete_archived: timedelta | None = None
    delete_transcripts: timedelta | None = None

    def __iter__(self) -> Iterator[tuple[type[RetentionChange], timedelta]]:
        for change, term in (
            (ArchiveSessions, self.archive),
            (DeleteArchived, self.delete_archived),
            (DeleteTranscripts, self.delete_transcripts),
        ):
            if term is not None:
                yield change, term

    @property
    def are_set(self) -> bool:
        return any(True for _ in self)


class Retirement(Protocol):
    """Operations of the manager that retention needs."""

    def find_due(
        self, change: type[RetentionChange], before: datetime, *, limit: int
    ) -> Awaitable[list[Due]]: ...

    def retire(self, change: RetentionChange) -> Awaitable[list[str]]: ...


_DONE: dict[type[RetentionChange], str] = {
    ArchiveSessions: "archived sessions",
    DeleteArchived: "deleted archived sessions",
    DeleteTranscripts: "deleted the transcripts of sessions",
}


class Retention:
    """A task that runs hourly until it is cancelled. `counts` has the totals since the start."""

    def __init__(self, manager: Retirement, terms: Terms, *, time: Time) -> None:
        self._manager = manager
        self._terms = terms
        self._time = time
        self._last_look: tuple[float, datetime] | None = None
        self.counts: dict[type[RetentionChange], int] = dict.fromkeys(_DONE, 0)

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:  # a database outage must not end the loop
                logger.exception("retention failed")
            await self._time.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Act on sessions that were also due in the previous run; the first run does nothing."""
        before, self._last_look = self._last_look, (self._time.monotonic(), self._time.clock())
        if before is None:
            return
        passed = self._last_look[0] - before[0]
        moved = (self._last_look[1] - before[1]) / timedelta(seconds=1)
        if abs(moved - passed) > MAX_DRIFT_SECONDS:
            logger.warning(
                "the clock moved by %.0f s in %.0f s: retention waits another hour", moved, passed
            )
        elif passed + MAX_DRIFT_SECONDS >= LOOK_SECONDS:
            for change, term in self._terms:
                await self._retire(change, before[1] - term)

    async def _retire(self, change: type[RetentionChange], before: datetime) -> None:
        """Act on all due sessions, also on parents that become due after their children."""
        done = 1
        while done:
            due = await self._manager.find_due(change, before, limit=FOUND_AT_ONCE)
            done = 0
            for session_ids in _batches(due):
                retired = await self._manager.retire(change(session_ids=session_ids, before=before))
                if retired:
                    logger.info("retention: %s: %s", _DONE[change], ", ".join(retired))
                done += len(retired)
            self.counts[change] += done
            if done:
                logger.info(
                    "retention: %s: %d, %d since the start",
                    _DONE[change],
                    done,
                    self.counts[change],
                )


def _batches(due: Sequence[Due]) -> Iterator[list[str]]:
    """Split into batches by number of sessions and rows; one large session is a batch alone."""
    batch: list[str] = []
    rows = 0
    for one in due:
        if batch and (len(batch) == SESSIONS_AT_ONCE or rows + one.rows > ROWS_AT_ONCE):
            yield batch
            batch, rows = [], 0
        batch.append(one.session_id)
        rows += one.rows
    if batch:
        yield batch
