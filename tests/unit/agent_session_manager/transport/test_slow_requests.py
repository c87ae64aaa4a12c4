"""Time-outs of incomplete requests, and connections that are never timed out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from agent_session_manager.transport import connection
from agent_session_manager.transport.websocket import WebSocketProtocol
from tests.support.loops import SteppedLoop, run_stepped
from tests.support.rows import each_row

KEEP_ALIVE_SECONDS = 100
STEP_SECONDS = 0.05
WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
STREAM = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
HALF = {
    "nothing": b"",
    "line break": b"\r\n",
    "letter": b"G",
    "head": WHOLE[:-2],
    "body": POST + b"Content-Length: 5\r\n\r\nabc",
    "no body": POST + b"Content-Length: 5\r\n\r\n",
    "chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
    "no last chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
}


class Protocol(connection.Protocol):
    head_seconds = 0.1
    body_seconds = 0.4


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, sent: bytes) -> None:
        self._writer.write(sent)

    async def read_until(self, end: bytes) -> bytes:
        return await self._reader.readuntil(end)

    @property
    def has_ended(self) -> bool:
        return self._reader.at_eof() or self._reader.exception() is not None

    async def ended(self, loop: SteppedLoop) -> bytes:
        """Let time pass until the connection is closed; return the bytes received before."""
        reading = asyncio.create_task(self._reader.read())
        while not reading.done():
            await loop.advance(STEP_SECONDS)
        self.close()
        return b"" if isinstance(reading.exception(), ConnectionError) else reading.result()

    def close(self) -> None:
        self._writer.close()


class Site:
    """A server that answers `ok`, streams, or echoes over a WebSocket."""

    def __init__(self) -> None:
        self.going_on = asyncio.Event()
        self.received = 0
        self.progress = asyncio.Event()
        self.port = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": (await receive())["text"]})
            return
        while True:
            message = await receive()
            self.received += len(message.get("body", b""))
            self.progress.set()
            if not message.get("more_body"):
                break
        if message["type"] == "http.disconnect":
            return
        length = [] if scope["path"] == "/stream" else [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        if scope["path"] == "/stream":
            await send({"type": "http.response.body", "body": b"begin", "more_body": True})
            await self.going_on.wait()
        await send({"type": "http.response.body", "body": b"ok"})

    async def receives(self, size: int) -> None:
        while self.received < size:
            self.progress.clear()
            await self.progress.wait()

    async def open(self, sent: bytes) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        client.send(sent)
        return client


@asynccontextmanager
async def serving() -> AsyncIterator[Site]:
    site = Site()
    config = uvicorn.Config(
        site,
        ws=WebSocketProtocol,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        log_config=None,
        ws_ping_interval=None,
    )
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: Protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    site.port = server.sockets[0].getsockname()[1]
    async with server:
        yield site


@each_row("before, half", product([b"", WHOLE], HALF.values()))
def test_connection_with_an_incomplete_request_is_closed(before: bytes, half: bytes) -> None:
    async def ask(loop: SteppedLoop) -> None:
        async with serving() as site:
            client = await site.open(before)
            if before:
                await client.read_until(b"ok")
            client.send(half)
            assert await client.ended(loop) == b""

    run_stepped(ask)


@each_row("begin", [POST + b"X-Long: ", POST + b"Content-Length: 999\r\n\r\n"])
def test_request_sent_byte_by_byte_gets_no_extra_time(begin: bytes) -> None:
    async def ask(loop: SteppedLoop) -> None:
        async with serving() as site:
            client = await site.open(begin)
            while not client.has_ended:
                client.send(b"x")
                await loop.advance(STEP_SECONDS)
            client.close()

    run_stepped(ask)


def test_large_body_gets_time_for_each_part_of_it() -> None:
    async def ask(loop: SteppedLoop) -> None:
        async with serving() as site:
            parts = 4
            size = parts * connection.BODY_PART_BYTES
            large = await site.open(POST + b"Content-Length: %d\r\n\r\n" % size)
            for number in range(parts):
                await loop.advance(Protocol.body_seconds / 2)
                assert not large.has_ended
                large.send(b"x" * connection.BODY_PART_BYTES)
                await site.receives((number + 1) * connection.BODY_PART_BYTES)
            assert (await large.read_until(b"ok")).startswith(b"HTTP/1.1 200")
            large.close()

    run_stepped(ask)


def test_streams_and_websockets_are_not_timed_out() -> None:
    async def ask(loop: SteppedLoop) -> None:
        async with serving() as site:
            stream, kept, socket = [await site.open(s) for s in (STREAM, WHOLE, UPGRADE)]
            await stream.read_until(b"begin")
            await kept.read_until(b"ok")
            assert (await socket.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            silent = await site.open(b"")
            for half in (HALF["head"], HALF["body"]):
                await (await site.open(half)).ended(loop)
            kept.send(WHOLE)
            assert (await kept.read_until(b"ok")).startswith(b"HTTP/1.1 200")
            await silent.ended(loop)
            site.going_on.set()
            assert b"ok" in await stream.read_until(b"0\r\n\r\n")
            socket.send(b"\x81\x82\0\0\0\0hi")
            assert await socket.read_until(b"hi") == b"\x81\x02hi"
            for client in (stream, kept, socket):
                client.close()

    run_stepped(ask)
