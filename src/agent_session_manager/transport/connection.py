"""The connection behind a request, beyond the interface of the server library.

A stream must notice a reader that takes nothing, and abort its connection: closing it would wait
for the reader forever. A request must arrive in time and within size limits. Bytes that are not a
request get an error in the usual shape.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, cast

import orjson
from starlette.types import Scope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_SECONDS = 10.0
BODY_SECONDS = 30.0
BODY_PART_BYTES = 256 * 1024
"""Each part of this size gets its own deadline, so that slow links can send large bodies."""
MAX_HEAD_BYTES = 64 * 1024
"""Maximum bytes before or after a body: the request line, the headers, the trailers."""
_LITTLE_BYTES = 4096
_EXTENSION = "agent_session_manager.connection"


class StalledReaderError(Exception):
    """The reader did not take the sent data; its connection was aborted."""


class Connection:
    """The connection of one request."""

    def __init__(self, transport: asyncio.Transport, flow: FlowControl) -> None:
        self._transport = transport
        self._flow = flow

    def hold_little(self) -> None:
        """Make `drain` wait until nearly all data was taken, so that little is buffered."""
        self._transport.set_write_buffer_limits(high=_LITTLE_BYTES)

    def abort(self) -> None:
        """End the connection at once, so that its reader sees that the answer is incomplete."""
        self._transport.abort()

    async def drain(self, *, timeout_seconds: float) -> None:
        """Wait until the reader has taken most of the sent data.

        Raises:
            StalledReaderError: the reader did not take it in time.
        """
        if not self._flow.write_paused:
            return
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._flow.drain()
        except TimeoutError:
            self._transport.abort()
            raise StalledReaderError from None


async def send_until_left(sending: Coroutine[Any, Any, None], leaving: Awaitable[None]) -> None:
    """Run `sending` until it ends or the reader has left; raise the error of `sending`, if any."""
    tasks = asyncio.create_task(sending, name="sending"), asyncio.ensure_future(leaving)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    if not tasks[0].cancelled():
        tasks[0].result()


class OneWrite:
    """Sends the head of one response together with the start of its body.

    That saves a system call, and the client wakes up once. If the body does not follow at once, as
    in a feed, the head is sent alone in the next turn of the event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._has_begun = False
        self._head: bytes | None = None
        """The head until it is sent."""

    def write(self, data: bytes) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._head = data
            self._loop.call_soon(self._send_head)
        elif self._head is None:
            self._transport.write(data)
        else:
            self._send_head(data)

    def close(self) -> None:
        self._send_head()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _send_head(self, start_of_body: bytes = b"") -> None:
        if self._head is not None and not self._transport.is_closing():
            self._transport.write(self._head + start_of_body)
        self._head = None


def connection_of(scope: Scope) -> Connection:
    return cast(Connection, scope["extensions"][_EXTENSION])


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with the connection in the scope of each request, and with deadlines.

    uvicorn waits forever for the rest of a request. Here the head and each part of a body must be
    complete in time, or the connection is aborted. An idle connection is kept as long as uvicorn
    keeps connections after a response. There is no deadline while the server works on a response.

    uvicorn also does not limit a head: it stores bytes until the head is complete, and treats
    trailers as headers. Here the size is limited, and trailers are dropped.
    """

    head_seconds = HEAD_SECONDS
    body_seconds = BODY_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unread_seconds: float | None = None
        """Time limit for the part of a request being read, if any."""
        self._allowed_seconds: float | None = None
        """Duration of the running timer."""
        self._timer: asyncio.TimerHandle | None = None
        self._part_bytes = 0
        self._is_in_head = False
        self._advanced = False
        """True if the last bytes contained a part of a body, or the end of a request."""
        self._barren_bytes = 0
        """Number of bytes received since then."""

    def connection_made(  # type: ignore[override]  # as uvicorn has it
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self._allow(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        self._allow(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._advanced = False
        super().data_received(data)
        self._barren_bytes = 0 if self._advanced else self._barren_bytes + len(data)
        if self._barren_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse_the_rest()
        # Only after all bytes are parsed: most requests arrive complete and need no timer.
        allowed = self._allowed()
        if allowed != self._allowed_seconds:
            self._allow(allowed)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        connection = Connection(self.transport, self.flow)
        self.scope["extensions"] = {_EXTENSION: connection}  # type: ignore[dict-item]  # our own
        self._unread_seconds = self.head_seconds
        self._is_in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:  # otherwise it is a trailer, after the body
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # the same if the request becomes a WebSocket
            self.cycle.transport = cast(asyncio.Transport, OneWrite(self.transport, self.loop))
        self._unread_seconds = self.body_seconds
        self._part_bytes = 0
        self._is_in_head = False

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._advanced = True
        self._part_bytes += len(body)
        if self._part_bytes >= BODY_PART_BYTES:
            self._part_bytes = 0
            self._allow(None)  # `data_received` restarts it for the next part

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._advanced = True
        self._unread_seconds = None
        self._allow(None)

    def _allowed(self) -> float | None:
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return None  # a WebSocket has a protocol of its own
        if self._unread_seconds is not None:
            return self._unread_seconds
        is_answering = self.cycle is not None and not self.cycle.response_complete
        return None if is_answering else self.timeout_keep_alive

    def _allow(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._end)
        self._allowed_seconds = seconds

    def _end(self) -> None:
        if self.flow.read_paused:  # the server itself has paused reading
            self._allow(self._allowed_seconds)
        else:
            self.transport.abort()  # `close` would wait for a reader that may be gone

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not a request; uvicorn calls this method."""
        self._refuse(400, "malformed_request", "not an HTTP request: the connection is closed")

    def _refuse_the_rest(self) -> None:
        if self._is_in_head:
            detail = f"a request line and headers have at most {MAX_HEAD_BYTES} bytes"
            self._refuse(431, "headers_too_large", detail)
        else:
            self.send_400_response("")

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Send an error and close the connection, after data that is already being sent."""
        body = orjson.dumps({"detail": detail, "code": code})
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + body)
        self.transport.close()
