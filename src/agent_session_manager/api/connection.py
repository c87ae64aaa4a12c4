"""The connection behind a request, for what the server's own interface does not let us do.

A stream has to see that its reader takes what it is sent, and to end the connection of one that
does not: closing would wait for the reader, for ever. And a request has to come in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
BODY_SECONDS = 30.0
BODY_PART_BYTES = 256 * 1024
"""So much of a body has to come in its time, or the rest: large ones may come over slow links."""
MAX_HEAD_BYTES = 256 * 1024
"""Past this nothing more of a head is read. The guard refuses one that is whole much earlier."""
_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Content-Type: application/json\r\nContent-Length: 65\r\nConnection: close\r\n"
    b"X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
    b"Cross-Origin-Resource-Policy: same-origin\r\nCache-Control: no-store\r\n\r\n"
    b'{"detail":"the headers are too large","code":"headers_too_large"}'
)
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
        self._head_bytes = 0

    def connection_made(  # type: ignore[override]  # as uvicorn has it
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self._allow(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        self._allow(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                return self._refuse_head()
        super().data_received(data)
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
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._unread_seconds = self.body_seconds
        self._part_bytes = 0
        self._is_in_head = False

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._part_bytes += len(body)
        if self._part_bytes >= BODY_PART_BYTES:
            self._part_bytes = 0
            self._allow(None)  # and anew, for the next part

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._unread_seconds = None
        self._allow(None)

    def _refuse_head(self) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_HEAD_TOO_LARGE)
            self.transport.close()
        else:  # an answer is under way, and this one cannot come before it
            self.transport.abort()

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
