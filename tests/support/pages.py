"""Clients of the earlier system's WebSocket; some of them never read."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS

HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
"""The head of the handshake, without the empty line at its end."""


def open_page_that_takes_nothing(manager: RunningManager) -> socket.socket:
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.connect(("127.0.0.1", manager.port))
    head = HANDSHAKE.format(port=manager.port) + f"Authorization: Bearer {manager.token}\r\n\r\n"
    stalled.sendall(head.encode())
    return stalled


def open_page(manager: RunningManager, **options: Any) -> ClientConnection:
    """Open a client that always reads, waits up to the tests' timeout, and uses no proxy."""
    opened: ClientConnection = connect(
        f"ws://127.0.0.1:{manager.port}/ws",
        proxy=None,
        max_size=None,
        max_queue=None,
        open_timeout=WATCHDOG_SECONDS,
        ping_timeout=WATCHDOG_SECONDS,
        close_timeout=WATCHDOG_SECONDS,
        **options,
    )
    return opened


@contextmanager
def page_frames(manager: RunningManager, *, seconds: float) -> Iterator[Iterator[dict[str, Any]]]:
    """Yield the frames that a page receives; fail if one takes longer than `seconds`."""
    headers = {"Authorization": f"Bearer {manager.token}"}
    with open_page(manager, additional_headers=headers) as opened:

        def frames() -> Iterator[dict[str, Any]]:
            while True:
                yield json.loads(opened.recv(timeout=seconds))

        yield frames()
