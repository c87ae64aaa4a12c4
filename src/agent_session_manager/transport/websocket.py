"""The WebSocket protocol of the service, with limits in both directions."""

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
"""Number of unsent bytes above which `send` waits for the reader."""
SEND_BUFFER_BYTES = 96 * 1024
"""The kernel's buffer for a reader, doubled by Linux; it fills before `HELD_BYTES` counts.

It holds two segments of a loopback connection (64 KB each). With less, each segment would wait for
TCP's delayed acknowledgement of 40 ms."""
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which aborts the connection of a reader that takes nothing.

    uvicorn would close the connection, which waits for the reader forever.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=HELD_BYTES)
        connected = self.transport.get_extra_info("socket")
        with suppress(OSError):  # the reader has disconnected already
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:  # a handshake arrives whole: this is malformed
            self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)
            self.transport.close()

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self.loop.call_later(deadlines.STALLED_SECONDS, self.transport.abort)

    async def send(self, message: ASGISendEvent) -> None:
        """Send, and wait until the reader has taken most of the data."""
        if self.close_sent:
            raise ClientDisconnected
        await super().send(message)
        if self.writable.is_set():
            return
        try:
            await asyncio.wait_for(self.writable.wait(), deadlines.STALLED_SECONDS)
        except TimeoutError:
            logger.info("a stalled reader was disconnected")
            self.transport.abort()
            raise ClientDisconnected from None

    def keepalive_timeout(self) -> None:
        self.transport.abort()

    def shutdown(self) -> None:
        if self.transport.is_closing():  # a close frame cannot be sent, and no peer is waited for
            self.transport.abort()
        else:
            super().shutdown()
