"""The connection behind a request, for what the server's own interface does not let us do.

A stream has to see that its reader takes what it is sent, and to end the connection of one that
does not: closing would wait for the reader, for ever. And a request has to come in time, and
within bounds; what is none is answered in the shape of all other errors.
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
"""So much of a body has to come in its time, or the rest: large ones may come over slow links."""
MAX_HEAD_BYTES = 64 * 1024
"""Of what comes before a body or behind it: the line of a request, its headers, its trailers."""
_LITTLE_BYTES = 4096
_EXTENSION = "agent_session_manager.connection"


class StalledReaderError(Exception):
    """The reader did not take what it was sent; its connection was ended."""


class Connection:
    """The connection of one request."""

    def __init__(self, transport: asyncio.Transport, flow: FlowControl) -> None:
        self._transport = transport
        self._flow = flow

    def hold_little(self) -> None:
        """Let `drain` wait until all was taken, but for a little: nothing piles up for a reader."""
        self._transport.set_write_buffer_limits(high=_LITTLE_BYTES)

    async def drain(self, *, timeout_seconds: float) -> None:
        """Wait until the reader has taken most of what it was sent.

        Raises:
            StalledReaderError: it did not in time.
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
    """Send to its end, or until the reader has left; raise what went wrong in sending."""
    tasks = asyncio.create_task(sending, name="sending"), asyncio.ensure_future(leaving)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    if not tasks[0].cancelled():
        tasks[0].result()


def connection_of(scope: Scope) -> Connection:
    return cast(Connection, scope["extensions"][_EXTENSION])


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with its connection in the scope of each request, and with deadlines.

    uvicorn waits for ever for the rest of a request. Here a head and each part of a body have to be
    whole in time, or the connection is ended. One on which nothing is under way is kept as long as
    uvicorn keeps those that had an answer; while a request is answered nothing is expected.

    Nor does uvicorn bound a head: it keeps what comes until the head is whole, and takes trailers
    for headers. Here no more is kept than a head may have, and trailers are dropped.
    """

    head_seconds = HEAD_SECONDS
    body_seconds = BODY_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unread_seconds: float | None = None
        """For what is being read, if anything is."""
        self._allowed_seconds: float | None = None
        """What the timer was started with."""
        self._timer: asyncio.TimerHandle | None = None
        self._part_bytes = 0
        self._is_in_head = False
        self._advanced = False
        """Whether the bytes that came last held some of a body, or the end of a request."""
        self._barren_bytes = 0
        """What has come since then."""

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
        # After all of it was read: most requests come whole, and need no timer.
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
        if self._is_in_head:  # or it is a trailer, behind the body
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()
        self._unread_seconds = self.body_seconds
        self._part_bytes = 0
        self._is_in_head = False

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._advanced = True
        self._part_bytes += len(body)
        if self._part_bytes >= BODY_PART_BYTES:
            self._part_bytes = 0
            self._allow(None)  # and anew, for the next part

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
        if self.flow.read_paused:  # it is us who do not read
            self._allow(self._allowed_seconds)
        else:
            self.transport.abort()  # to close is to wait for a reader, and nobody may be reading

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls where the bytes are no request."""
        self._refuse(400, "malformed_request", "this is no HTTP request: the connection is ended")

    def _refuse_the_rest(self) -> None:
        if self._is_in_head:
            detail = f"a request line and headers have at most {MAX_HEAD_BYTES} bytes"
            self._refuse(431, "headers_too_large", detail)
        else:
            self.send_400_response("")

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Answer and close. What else is on its way to the caller goes out first."""
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
