"""The connection behind a request, for what the server's own interface does not let us do.

A stream has to see that its reader takes what it is sent, and to end the connection of one that
does not: closing would wait for the reader, for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

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
    """uvicorn's protocol, with its connection in the scope of each request."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        connection = Connection(self.transport, self.flow)
        self.scope["extensions"] = {_EXTENSION: connection}  # type: ignore[dict-item]  # our own
