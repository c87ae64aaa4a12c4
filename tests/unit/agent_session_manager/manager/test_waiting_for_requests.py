"""Waiting at the manager for requests, with a store that answers when it is let."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from agent_session_manager.concurrency.reader import Reader
from agent_session_manager.concurrency.wakeups import Bells
from agent_session_manager.concurrency.writer import Writer
from agent_session_manager.domain.errors import SessionNotFoundError
from agent_session_manager.domain.request import Request, RequestKind, RequestState
from agent_session_manager.manager.manager import Manager
from agent_session_manager.store.protocol import Store
from tests.support.loops import run
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


class LookedAtStore:
    """Has the requests that the test puts in; a look takes its answer, and gives it when let."""

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


Scenario = Callable[
    [LookedAtStore, Bells, "asyncio.Task[list[Request]]"], Coroutine[Any, Any, None]
]


def while_waiting(scenario: Scenario, *, wait_seconds: float = 3600.0) -> list[Request]:
    """What a wait that has taken its first look, and waits for the answer to it, comes to."""
    store, bells = LookedAtStore(), Bells()

    async def wait() -> list[Request]:
        # A part of a store and no writer: all that reading needs.
        part = cast(Store, store)
        with closing(Reader(part)) as reader:
            manager = Manager(part, cast(Writer, None), reader, bells)
            waiting = asyncio.create_task(manager.list_requests("s", 1, wait_seconds=wait_seconds))
            await looked(store)
            await scenario(store, bells, waiting)
            return await waiting

    return run(wait())


async def looked(store: LookedAtStore) -> None:
    assert await asyncio.to_thread(store.looked.acquire, timeout=WATCHDOG_SECONDS)


def test_request_made_between_the_look_and_the_wait_is_not_missed() -> None:
    async def scenario(
        store: LookedAtStore, bells: Bells, waiting: asyncio.Task[list[Request]]
    ) -> None:
        store.requests.append(REQUEST)
        bells.ring("s")
        store.let.release(2)

    assert while_waiting(scenario) == [REQUEST]


def test_bell_that_rings_for_nothing_of_ours_goes_unheard() -> None:
    async def scenario(
        store: LookedAtStore, bells: Bells, waiting: asyncio.Task[list[Request]]
    ) -> None:
        for _ in range(3):
            bells.ring("s")
            store.let.release()
            await looked(store)
        assert not waiting.done()
        store.requests.append(REQUEST)
        bells.ring("s")
        store.let.release(2)

    assert while_waiting(scenario) == [REQUEST]


def test_wait_ends_with_what_there_is_when_nobody_is_to_wait_any_more() -> None:
    async def scenario(
        store: LookedAtStore, bells: Bells, waiting: asyncio.Task[list[Request]]
    ) -> None:
        bells.close()
        store.let.release(2)

    assert while_waiting(scenario) == []


def test_wait_ends_with_nothing_when_its_time_is_up() -> None:
    async def scenario(
        store: LookedAtStore, bells: Bells, waiting: asyncio.Task[list[Request]]
    ) -> None:
        store.let.release(2)

    assert while_waiting(scenario, wait_seconds=0.05) == []


def test_id_that_no_session_can_have_is_not_looked_for() -> None:
    async def wait() -> None:
        manager = Manager(cast(Store, None), cast(Writer, None), Reader(cast(Store, None)), Bells())
        with pytest.raises(SessionNotFoundError):
            await manager.list_requests("-", 1, wait_seconds=60)

    run(wait())
