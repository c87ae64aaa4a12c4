"""Follows the record with the search index, in the background.

Commits wake the indexer. It waits a moment, so that a few commits share a step. While commits
continue, it pauses after each step for three times as long as the step took: they need the
processor first. A process of its own has a lower priority: its steps only wait for more events.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import AbstractContextManager, suppress
from typing import Protocol

from agent_session_manager.machine.clock import Time
from agent_session_manager.store.search import Indexed, IndexPausedError

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.3
PAUSE = 3
"""Length of a pause while commits continue, as a multiple of the step before it."""
LOOK_SECONDS = 30.0
"""Time after which the indexer looks without a wakeup: another manager may have stopped."""
FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0


class Indexing(Protocol):
    """The steps of the index, as the indexer needs them."""

    @property
    def is_stopping(self) -> bool: ...

    def watching(self) -> AbstractContextManager[asyncio.Event]: ...

    def index_some(self) -> Awaitable[Indexed]: ...


class Indexer:
    """A task that indexes committed events until it is cancelled or the service stops."""

    def __init__(self, indexing: Indexing, *, time: Time) -> None:
        self._indexing = indexing
        self._time = time
        self._failure: type[Exception] | None = None
        self._retry_seconds = FIRST_RETRY_SECONDS

    async def run(self) -> None:
        while not self._indexing.is_stopping:
            # Subscribe first: a commit during the work wakes the next turn.
            with self._indexing.watching() as changed:
                await self._work(changed)
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), LOOK_SECONDS)
            await self._time.sleep(GATHER_SECONDS)

    async def _work(self, changed: asyncio.Event) -> None:
        """Index until the index has reached the record, or a step fails."""
        has_more = True
        while has_more and not self._indexing.is_stopping:
            begin = self._time.monotonic()
            try:
                indexed = await self._indexing.index_some()
            except Exception as exc:  # an index that fails must not end the loop
                await self._wait_after(exc)
                continue
            if self._failure is not None:
                logger.info("the search index follows the record again")
                self._failure = None
            has_more = indexed.has_more
            if has_more and changed.is_set():
                changed.clear()
                await self._time.sleep(_pause_after(indexed, self._time.monotonic() - begin))

    async def _wait_after(self, failure: Exception) -> None:
        """Wait longer after each failure of a kind in a row; log only the first one."""
        if type(failure) is not self._failure:
            self._failure, self._retry_seconds = type(failure), FIRST_RETRY_SECONDS
            if isinstance(failure, IndexPausedError):
                logger.warning("the search index is paused: %s", failure)
            else:
                logger.error(
                    "the search index could not be written; it is tried again", exc_info=failure
                )
        await self._time.sleep(self._retry_seconds)
        self._retry_seconds = min(2 * self._retry_seconds, LAST_RETRY_SECONDS)


def _pause_after(indexed: Indexed, seconds: float) -> float:
    """Return the pause after a step that took `seconds`, while commits continue."""
    if not indexed.is_apart:
        return PAUSE * seconds
    return 0.0 if indexed.is_much else GATHER_SECONDS
