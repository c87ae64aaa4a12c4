from __future__ import annotations

import asyncio
import resource
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import psutil
import pytest
import uvloop

from agent_session_manager.transport.acceptor import Accepting
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS, wait_for


@contextmanager
def awaited(count: int) -> Iterator[socket.socket]:
    """Yield a listening socket with `count` connections that wait to be accepted."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=count))
        for _ in range(count):
            stack.enter_context(
                socket.create_connection(listening.getsockname(), timeout=WATCHDOG_SECONDS)
            )
        yield listening


def turns_to_accept(count: int) -> int:
    """Return how many turns of the loop pass until `count` waiting connections have begun."""
    begun = 0

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            nonlocal begun
            begun += 1
            transport.close()

    async def count_turns(listening: socket.socket) -> int:
        turns = 0
        accepting = Accepting(listening, Protocol)
        while begun < count:
            await asyncio.sleep(0)
            turns += 1
        accepting.close()
        await asyncio.sleep(0)  # the connections close
        return turns

    with awaited(count) as listening:
        return uvloop.run(count_turns(listening))


def test_all_waiting_connections_are_accepted_in_one_turn() -> None:
    assert turns_to_accept(200) == turns_to_accept(1)


def test_closed_acceptor_accepts_no_connection() -> None:
    async def scenario() -> None:
        accepting = Accepting(listening, asyncio.Protocol)
        accepting.close()
        await accepting.wait_closed()
        for _ in range(turns):
            await asyncio.sleep(0)

    turns = turns_to_accept(1)
    with awaited(1) as listening:
        uvloop.run(scenario())
        listening.accept()[0].close()


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
