"""A WebSocket without a library: the handshake as text, and the connection as a socket."""

from __future__ import annotations

import socket

import psutil

from tests.support.manager import RunningManager
from tests.support.pages import HANDSHAKE
from tests.support.waiting import WATCHDOG_SECONDS

UPGRADE = HANDSHAKE + "\r\n"


def raw(manager: RunningManager, head: str = UPGRADE, **options: int) -> socket.socket:
    """Open a raw connection and send a handshake; the caller sends the rest."""
    opened = socket.socket()
    opened.settimeout(WATCHDOG_SECONDS)
    for name, value in options.items():
        opened.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    opened.connect(("127.0.0.1", manager.port))
    opened.sendall(head.format(port=manager.port).encode("latin-1"))
    return opened


def count_of_sockets(manager: RunningManager) -> int:
    """Return the number of open connections of the manager."""
    connections = psutil.Process(manager.pid).net_connections("inet")
    return sum(c.status not in (psutil.CONN_LISTEN, psutil.CONN_TIME_WAIT) for c in connections)
