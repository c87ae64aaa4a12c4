"""The readiness of a manager, with a store that the test controls."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.manager.manager import Manager
from agent_session_manager.store.errors import StoreBrokenError
from agent_session_manager.store.protocol import Store
from tests.support.waiting import WATCHDOG_SECONDS


class Database:
    """A store whose look at the feed waits for a gate, and then fails or succeeds."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.looks = 0
        self.failure: Exception | None = None
        self.feeds = SimpleNamespace(head=self._head)

    def _head(self) -> None:
        self.looks += 1
        assert self.gate.wait(WATCHDOG_SECONDS)
        if self.failure is not None:
            raise self.failure

    def watch(self, _: Any) -> None: ...

    def close(self) -> None: ...


def test_checks_at_the_same_time_share_one_look() -> None:
    async def check() -> None:
        database = Database()
        async with Manager.open(cast(Store, database)) as manager:
            checks = [asyncio.ensure_future(manager.metrics.check_ready()) for _ in range(5)]
            left = checks.pop()
            await asyncio.sleep(0)  # all have begun
            left.cancel()
            database.gate.set()
            await asyncio.gather(*checks)
            assert database.looks == 1
            await manager.metrics.check_ready()
            assert database.looks == 2

    asyncio.run(check())


def test_not_ready_while_the_database_does_not_answer() -> None:
    async def check() -> None:
        database = Database()
        database.gate.set()
        async with Manager.open(cast(Store, database)) as manager:
            database.failure = StoreUnavailableError("no connection")
            with pytest.raises(StoreUnavailableError):
                await manager.metrics.check_ready()
            database.failure = None
            await manager.metrics.check_ready()

    asyncio.run(check())


def test_not_ready_while_stopping_or_with_a_broken_disk() -> None:
    async def check() -> None:
        async with Manager.open(cast(Store, Database())) as manager:
            manager.metrics.writer.failure = StoreBrokenError("no disk")
            with pytest.raises(StoreUnavailableError):
                await manager.metrics.check_ready()
            manager.stop_waiting()
            with pytest.raises(StoreUnavailableError):
                await manager.metrics.check_ready()

    asyncio.run(check())
