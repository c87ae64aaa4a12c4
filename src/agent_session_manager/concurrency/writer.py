"""The writer: every change of the record goes through it, one commit at a time.

Changes that arrive during a commit share the next commit. The cost of one disk sync is
shared, and no caller waits for a timer. Callers learn their outcome only after their commit.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from agent_session_manager.domain.errors import (
    OrchestratorError,
    OverloadedError,
    StoreUnavailableError,
)
from agent_session_manager.machine.histogram import COUNTS, SECONDS, Histogram
from agent_session_manager.store.change import Change, changed_sessions
from agent_session_manager.store.errors import StoreBrokenError
from agent_session_manager.store.protocol import Store

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_WAITING = 4096
MAX_CHANGES_PER_COMMIT = 256
REST_AFTER_SECONDS = 5.0
"""Idle time after which the store does its maintenance."""


class Writer:
    """Owner of the thread that commits. `async with` starts it; leaving commits waiting changes."""

    def __init__(self, store: Store, publish: Callable[[Collection[str]], None]) -> None:
        """Call `publish` after each commit with the ids of the sessions that it changed."""
        self._store = store
        self._publish = publish
        self._waiting: deque[tuple[Change[Any], asyncio.Future[Any]]] = deque()
        self._arrived = asyncio.Event()
        self._closing = False
        self._batches = 0
        self.commit_seconds = Histogram(SECONDS)
        self.commit_changes = Histogram(COUNTS)
        self.failure: StoreBrokenError | None = None
        """The permanent error after which no commit is possible, or None."""
        self.on_failure: Callable[[], None] = lambda: None
        """Called in the event loop after a failure."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self._task: asyncio.Task[None] | None = None
        self._resting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="writer")
        self._resting = asyncio.create_task(self._rest_at_times(), name="rest")
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._closing = True
        self._arrived.set()
        if self._resting is not None:
            self._resting.cancel()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def commit(self, change: Change[T]) -> T:
        """Make one change and return its outcome, once it is durable.

        Cancelling the caller does not withdraw its change.

        Raises:
            OrchestratorError: the change was refused, and no part of it was stored.
        """
        self.check()
        if len(self._waiting) >= MAX_WAITING:
            raise OverloadedError
        settled: asyncio.Future[T | OrchestratorError] = asyncio.get_running_loop().create_future()
        self._waiting.append((change, settled))
        self._arrived.set()
        outcome = await settled
        if isinstance(outcome, OrchestratorError):
            raise outcome
        return outcome

    @property
    def waiting(self) -> int:
        """Number of changes that wait for a commit."""
        return len(self._waiting)

    def check(self) -> None:
        """Return if changes can be committed.

        Raises:
            StoreUnavailableError: the manager is stopping, or its disk has failed.
        """
        if self._closing:
            raise StoreUnavailableError("the manager is stopping")
        if self.failure is not None:
            raise _out_of_service()

    async def alone(self, work: Callable[[], T]) -> T:
        """Run short work on the store between two commits.

        Raises:
            StoreUnavailableError: the manager is stopping.
        """
        if self._closing:
            raise StoreUnavailableError("the manager is stopping")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while not (self._closing and not self._waiting):
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                count = min(len(self._waiting), MAX_CHANGES_PER_COMMIT)
                batch = [self._waiting.popleft() for _ in range(count)]
                changes = [change for change, _ in batch]
                begin = loop.time()
                outcomes = await loop.run_in_executor(self._thread, self._commit, changes)
                self.commit_seconds.observe(loop.time() - begin)
                self.commit_changes.observe(count)
                self._batches += 1
                try:
                    self._publish(changed_sessions(changes, outcomes))
                except Exception:  # a bug must not end the writer: its callers would wait for ever
                    logger.exception("a commit could not be published")
                for (_, waiting), outcome in zip(batch, outcomes, strict=True):
                    if not waiting.cancelled():
                        waiting.set_result(outcome)
                if self.failure is not None:
                    self.on_failure()

    async def _rest_at_times(self) -> None:
        """Run the store's maintenance once in each idle period."""
        loop = asyncio.get_running_loop()
        rested = 0
        while True:
            before = self._batches
            await asyncio.sleep(REST_AFTER_SECONDS)
            if rested != self._batches == before:
                while await loop.run_in_executor(self._thread, self._rest):
                    pass  # commits that arrived come before the next part
                rested = before
                if self.failure is not None:
                    self.on_failure()

    def _rest(self) -> bool:
        """Do a part of the store's maintenance; return whether there is more."""
        try:
            return self.failure is None and self._store.rest()
        except StoreBrokenError as exc:
            self._give_up(exc)
        except Exception:  # as in a commit
            logger.exception("the idle maintenance of the store failed")
        return False

    def _give_up(self, failure: StoreBrokenError) -> None:
        logger.critical("no more writes are accepted: %s", failure)
        self.failure = failure

    def _commit(self, changes: list[Change[Any]]) -> list[Any]:
        if self.failure is not None:
            return [_out_of_service()] * len(changes)
        try:
            return self._store.commit(changes)
        except StoreBrokenError as exc:
            self._give_up(exc)
            return [_out_of_service()] * len(changes)
        except Exception:  # a bug must not end the writer: its callers get an error
            logger.exception("a commit failed")
            return [StoreUnavailableError("the change could not be stored")] * len(changes)


def _out_of_service() -> StoreUnavailableError:
    return StoreUnavailableError("the disk of the database failed: the manager is stopping")
