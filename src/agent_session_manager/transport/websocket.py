"""The WebSocket protocol as the service speaks it: bounded on both ways."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from agent_session_manager.transport import deadlines

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent


logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 64 * 1024
PING_SECONDS = 20.0
HELD_BYTES = 4 * 1024
"""From so much on that is kept for a reader, it counts as one that does not take it."""
SEND_BUFFER_BYTES = 96 * 1024
"""What the system keeps for a reader, doubled by Linux, before that is seen.

It holds two segments of a loopback connection (64 KB each): with less, a reader acknowledges each
one only after the 40 ms for which TCP holds an acknowledgement back."""
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which ends the connection of a reader that takes nothing.

    uvicorn would close it, and to close is to wait for the reader, for ever.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=HELD_BYTES)
        connected = self.transport.get_extra_info("socket")
        with suppress(OSError):  # it has gone already
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:  # the handshake comes whole: this one cannot be read
            self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)
            self.transport.close()

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self.loop.call_later(deadlines.STALLED_SECONDS, self.transport.abort)

    async def send(self, message: ASGISendEvent) -> None:
        """Send, and wait until most of it was taken."""
        if self.close_sent:
            raise ClientDisconnected
        await super().send(message)
        if self.writable.is_set():
            return
        try:
            await asyncio.wait_for(self.writable.wait(), deadlines.STALLED_SECONDS)
        except TimeoutError:
            logger.info("a reader that took nothing was cut off")
            self.transport.abort()
            raise ClientDisconnected from None

    def keepalive_timeout(self) -> None:
        self.transport.abort()

    def shutdown(self) -> None:
        if self.transport.is_closing():  # it cannot be told any more, and nobody is waited for
            self.transport.abort()
        else:
            super().shutdown()
