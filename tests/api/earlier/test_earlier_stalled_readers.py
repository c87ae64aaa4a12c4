"""Readers of the earlier system's WebSocket that stop reading, and a manager that stops."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.exceptions import ConnectionClosed

from agent_session_manager.transport.websocket import (
    HELD_BYTES,
    SEND_BUFFER_BYTES,
    WebSocketProtocol,
)
from tests.api.earlier.earlier_events import append, send
from tests.api.earlier.earlier_page import Frame, events_in, page_of
from tests.api.earlier.raw_handshake import UPGRADE, count_of_sockets, raw
from tests.support.api import Api
from tests.support.loops import run
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

GOODBYE = b"\x88\x80\x00\x00\x00\x00"
"""The close frame of a client."""


def take_nothing(manager: RunningManager) -> socket.socket:
    """Connect and never read, with the smallest possible receive buffer."""
    return raw(manager, SO_RCVBUF=4096)


def fill(api: Api, session_id: str, megabytes: int) -> None:
    """Append more than the buffers to a stalled reader can hold."""
    for n in range(megabytes):
        append(api, session_id, n, tool_output="x" * 1024 * 1024)


def test_stalled_reader_is_cut_off_without_effect_on_others(
    own: RunningManager, own_api: Api
) -> None:
    send(own_api, "s", "session_start")
    with page_of(own) as page, take_nothing(own) as stalled:
        page.next()
        wait_for(lambda: count_of_sockets(own) == 3, "the reader is connected")
        followed: list[Frame] = []
        following = threading.Thread(
            target=lambda: followed.extend(
                page.until(lambda frame: frame.get("data", {}).get("n") == -1)
            )
        )
        following.start()
        fill(own_api, "s", 3)
        # The stalled reader is cut off. The other two connections stay.
        wait_for(lambda: count_of_sockets(own) == 2, "the reader is cut off")
        append(own_api, "s", -1)
        following.join(WATCHDOG_SECONDS)
        assert [event["n"] for event in events_in(followed, "s")] == [*range(3), -1]
        assert stalled.fileno() >= 0
    assert "a stalled reader was disconnected" in own.log()


def test_send_buffer_holds_at_least_one_segment(own: RunningManager) -> None:
    with page_of(own) as page:
        segment = page.connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    assert segment <= SEND_BUFFER_BYTES


def test_stalled_reader_that_sends_close_is_dropped(own: RunningManager, own_api: Api) -> None:
    send(own_api, "s", "session_start")
    with take_nothing(own) as stalled:
        wait_for(lambda: count_of_sockets(own) == 2, "the reader is connected")
        fill(own_api, "s", 3)
        stalled.sendall(GOODBYE)
        wait_for(lambda: count_of_sockets(own) == 1, "its connection is closed")


def test_manager_stops_in_time_with_stalled_readers(own: RunningManager, own_api: Api) -> None:
    send(own_api, "s", "session_start")
    with page_of(own) as page, take_nothing(own), take_nothing(own) as leaving:
        wait_for(lambda: count_of_sockets(own) == 4, "all are connected")
        fill(own_api, "s", 3)
        page.until(lambda frame: frame.get("data", {}).get("n") == 2)
        leaving.sendall(GOODBYE)
        own.process.send_signal(signal.SIGTERM)
        # Open connections get five seconds to finish.
        assert own.process.wait(WATCHDOG_SECONDS) == 0
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                page.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


def test_stopping_manager_closes_with_service_restart(own: RunningManager) -> None:
    with page_of(own) as page:
        page.next()
        own.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            page.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert own.process.wait(WATCHDOG_SECONDS) == 0
    own.restart()
    with page_of(own) as page:
        assert page.next()["type"] == "init"


@asynccontextmanager
async def serving(
    talk: Callable[[WebSocket, WebSocketProtocol], Awaitable[None]], said: bytes
) -> AsyncIterator[asyncio.Future[None]]:
    """Serve one reader that sends `said` once and never reads; yield the result of `talk`.

    Our protocol runs in a server inside this process. The server pings only when `talk` asks it to.
    """
    done = asyncio.get_running_loop().create_future()
    accepted = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        accepted.set()
        (protocol,) = server.server_state.connections
        assert isinstance(protocol, WebSocketProtocol)
        try:
            await talk(websocket, protocol)
            done.set_result(None)
        except Exception as exc:  # the test raises it, not the server
            done.set_exception(exc)

    config = uvicorn.Config(
        app, lifespan="off", log_config=None, ws=WebSocketProtocol, ws_max_size=16,
        ws_ping_interval=None, ws_ping_timeout=0.1, ws_per_message_deflate=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as stalled:
        running = asyncio.create_task(server.serve([listening]))
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        port = listening.getsockname()[1]
        stalled.connect(("127.0.0.1", port))
        stalled.sendall(UPGRADE.format(port=port).encode())
        await accepted.wait()
        stalled.sendall(said)
        yield done
        server.should_exit = True
        await running


async def gone(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


def test_stalled_reader_that_answers_no_ping_is_cut_off() -> None:
    """The buffered data is so small that the socket still counts as writable."""

    async def talk(websocket: WebSocket, protocol: WebSocketProtocol) -> None:
        assert protocol.transport.get_write_buffer_limits()[1] == HELD_BYTES
        while protocol.transport.get_write_buffer_size() == 0:
            await websocket.send_bytes(bytes(HELD_BYTES // 2))
        protocol.send_keepalive_ping()
        await gone(websocket)

    async def scenario() -> None:
        async with serving(talk, b"") as done:
            await done

    run(scenario())


def test_reader_that_breaks_the_protocol_counts_as_gone() -> None:
    async def talk(websocket: WebSocket, protocol: WebSocketProtocol) -> None:
        await gone(websocket)
        assert protocol.close_sent
        with pytest.raises(WebSocketDisconnect):
            await websocket.send_text("x")

    async def scenario() -> None:
        too_large = b"\x81\x91" + bytes(4 + 17)
        async with serving(talk, too_large) as done:
            await done

    run(scenario())
