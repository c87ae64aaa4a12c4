from __future__ import annotations

import asyncio
import resource
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import psutil
import pytest
import uvloop

from agent_session_manager.transport.acceptor import Accepting
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

COUNT = 200
TURNS = 20
"""Far fewer than `COUNT`, but enough for a connection to start."""


@pytest.fixture
def awaited() -> Iterator[socket.socket]:
    """Yield a listening socket with `COUNT` connections that wait to be accepted."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=COUNT))
        for _ in range(COUNT):
            stack.enter_context(
                socket.create_connection(listening.getsockname(), timeout=WATCHDOG_SECONDS)
            )
        yield listening


async def pass_turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def test_all_waiting_connections_are_accepted_at_once(awaited: socket.socket) -> None:
    begun = 0

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            nonlocal begun
            begun += 1
            transport.close()

    async def turn() -> None:
        accepting = Accepting(awaited, Protocol)
        await pass_turns()
        accepting.close()
        await pass_turns()  # the accepted connections close

    uvloop.run(turn())
    assert begun == COUNT


def test_closed_acceptor_accepts_no_connection(awaited: socket.socket) -> None:
    async def scenario() -> None:
        accepting = Accepting(awaited, asyncio.Protocol)
        accepting.close()
        await accepting.wait_closed()
        await pass_turns()

    uvloop.run(scenario())
    awaited.accept()[0].close()


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
def test_manager_without_free_descriptors_keeps_serving(
    start_manager: Callable[..., RunningManager],
) -> None:
    manager = start_manager()
    process = psutil.Process(manager.pid)
    with Api(manager) as api:
        wait_for(
            lambda: api.get("/health").json["search_index"] == "current",
            "the search index has its files open",
        )
        _, hard = resource.prlimit(manager.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(manager.pid, resource.RLIMIT_NOFILE, (process.num_fds() + 2, hard))
        address = ("127.0.0.1", manager.port)
        with ExitStack() as stack:
            for _ in range(4):
                stack.enter_context(
                    closing(socket.create_connection(address, timeout=WATCHDOG_SECONDS))
                )
            wait_for(
                lambda: "cannot accept connections for now" in manager.log(), "the manager logs it"
            )
            assert api.get("/health").status == 200
        with Api(manager) as later:
            assert later.get("/health").status == 200
    assert manager.stop() == 0
