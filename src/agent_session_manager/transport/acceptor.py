"""Accepts connections: at each turn of the loop all that are pending.

libuv, and so uvloop, accepts one connection per turn (libuv/libuv#3696). Under load a turn is long.
If many clients connected at once, the last one would wait for one turn per client before it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

logger = logging.getLogger(__name__)

AT_ONCE = 256
"""Maximum per turn, so that open connections get their turn too."""
RETRY_SECONDS = 1.0


class Accepting:
    """A listening socket that accepts until `close`, with the methods that uvicorn needs."""

    def __init__(
        self, listening: socket.socket, create_protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        self._listening = listening
        self._create_protocol = create_protocol
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[object]] = set()
        self._pause: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        self._resume()

    def close(self) -> None:
        """Accept no more connections; open connections stay open."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listening)

    async def wait_closed(self) -> None:
        """Return: there is nothing to wait for."""

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as exc:
                # Out of descriptors or memory: some connections must end before new ones fit.
                logger.error("cannot accept connections for now: %s", exc.strerror)
                self._loop.remove_reader(self._listening)
                self._pause = self._loop.call_later(RETRY_SECONDS, self._resume)
                return
            connection.setblocking(False)
            beginning = self._loop.connect_accepted_socket(self._create_protocol, connection)
            task: asyncio.Task[object] = self._loop.create_task(beginning)
            self._beginning.add(task)
            task.add_done_callback(self._has_begun)

    def _has_begun(self, task: asyncio.Task[object]) -> None:
        self._beginning.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            logger.warning("a connection could not be set up: %s", failure)
