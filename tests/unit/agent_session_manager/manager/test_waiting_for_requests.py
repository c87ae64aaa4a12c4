"""Waits of the manager for requests, with a store whose answers the test controls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from agent_session_manager.concurrency.reader import Reader
from agent_session_manager.concurrency.wakeups import Wakeups
from agent_session_manager.concurrency.writer import Writer
from agent_session_manager.domain.errors import SessionNotFoundError
from agent_session_manager.domain.sessions.request import Request, RequestKind, RequestState
from agent_session_manager.domain.sessions.session import Reason, Session
from agent_session_manager.manager.manager import Manager
from agent_session_manager.store.protocol import Store
from tests.support.loops import run
from tests.support.running_session import BEGUN, RUNNING
from tests.support.waiting import WATCHDOG_SECONDS

REQUEST = Request(
    request_id="r",
    run=1,
    kind=RequestKind.STOP,
    payload={},
    state=RequestState.PENDING,
    detail=None,
    created_at=datetime(2026, 11, 22, tzinfo=UTC),
    settled_at=None,
)

EXPIRED = replace(REQUEST, state=RequestState.EXPIRED)
ENDED = replace(
    RUNNING, newest_run=replace(RUNNING.newest_run, finished_at=BEGUN, reason=Reason.COMPLETED)
)


class GatedStore:
    """A store with the requests of the test. A read takes its result, then waits for the test."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.looked = threading.Semaphore(0)
        self.let = threading.Semaphore(0)

    def list_requests(
        self, session_id: str, run: int, *, state: RequestState | None = None
    ) -> list[Request]:
        seen = list(self.requests)
        self.looked.release()
        assert self.let.acquire(timeout=WATCHDOG_SECONDS)
        return seen


Waiting = asyncio.Task[list[Request]]
Scenario = Callable[[GatedStore, Wakeups, Waiting], Coroutine[Any, Any, None]]


def while_waiting(scenario: Scenario, *, wait_seconds: float = 3600.0) -> list[Request]:
    """Run a scenario during the first read of a wait, and return the result of the wait."""
    store, wakeups = GatedStore(), Wakeups()

    async def wait() -> list[Request]:
        # Reads need only a part of a store, and no writer.
        part = cast(Store, store)
        with closing(Reader(part)) as reader:
            manager = Manager(part, cast(Writer, None), reader, wakeups)
            waiting = asyncio.create_task(manager.list_requests("s", 1, wait_seconds=wait_seconds))
            await looked(store)
            await scenario(store, wakeups, waiting)
            return await waiting

    return run(wait())


async def looked(store: GatedStore) -> None:
    assert await asyncio.to_thread(store.looked.acquire, timeout=WATCHDOG_SECONDS)


def add_request(store: GatedStore, wakeups: Wakeups) -> None:
    store.requests.append(REQUEST)
    wakeups.notify("s")
    store.let.release(2)


def test_request_created_between_read_and_wait_is_not_missed() -> None:
    async def scenario(store: GatedStore, wakeups: Wakeups, waiting: Waiting) -> None:
        add_request(store, wakeups)

    assert while_waiting(scenario) == [REQUEST]


def test_wakeup_without_a_new_request_does_not_end_the_wait() -> None:
    async def scenario(store: GatedStore, wakeups: Wakeups, waiting: Waiting) -> None:
        for _ in range(3):
            wakeups.notify("s")
            store.let.release()
            await looked(store)
        assert not waiting.done()
        add_request(store, wakeups)

    assert while_waiting(scenario) == [REQUEST]


def test_wait_returns_current_state_on_shutdown() -> None:
    async def scenario(store: GatedStore, wakeups: Wakeups, waiting: Waiting) -> None:
        wakeups.close()
        store.let.release(2)

    assert while_waiting(scenario) == []


def test_wait_returns_nothing_after_its_timeout() -> None:
    async def scenario(store: GatedStore, wakeups: Wakeups, waiting: Waiting) -> None:
        store.let.release(2)

    assert while_waiting(scenario, wait_seconds=0.05) == []


def test_invalid_session_id_is_not_looked_up() -> None:
    async def wait() -> None:
        store, writer = cast(Store, None), cast(Writer, None)
        manager = Manager(store, writer, Reader(store), Wakeups())
        with pytest.raises(SessionNotFoundError):
            await manager.list_requests("-", 1, wait_seconds=60)

    run(wait())


class EndingStore:
    """A store in which the run ends, and expires its request, right after the first read."""

    def __init__(self, wake_up: Callable[[], object]) -> None:
        self._wake_up = wake_up
        self._has_ended = False

    def get_session(self, session_id: str) -> Session:
        seen = ENDED if self._has_ended else RUNNING
        self._end()
        return seen

    def list_requests(
        self, session_id: str, run: int, *, state: RequestState | None = None
    ) -> list[Request]:
        seen = EXPIRED if self._has_ended else REQUEST
        self._end()
        return [seen]

    def _end(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._wake_up()


def test_end_of_a_run_between_two_reads_expires_its_request() -> None:
    async def wait() -> Request:
        wakeups, loop = Wakeups(), asyncio.get_running_loop()
        ending = EndingStore(lambda: loop.call_soon_threadsafe(wakeups.notify, "s"))
        part = cast(Store, ending)
        with closing(Reader(part)) as reader:
            manager = Manager(part, cast(Writer, None), reader, wakeups)
            return await manager.get_request("s", 1, "r", wait_seconds=3600.0)

    assert run(wait()) == EXPIRED
