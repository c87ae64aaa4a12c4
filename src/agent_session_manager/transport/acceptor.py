"""Taking connections: at each turn of the loop all that are there.

libuv, and so uvloop, takes one a turn (libuv/libuv#3696). While much is to be done a turn is long,
and of many who come at once the last would wait for as many turns as came before it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

logger = logging.getLogger(__name__)

AT_ONCE = 256
"""At one turn: those who are there already have theirs too."""
RETRY_SECONDS = 1.0


class Accepting:
    """One socket that listens, taken from until `close`; what uvicorn needs of a server."""

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
        """Take no more; those who were taken stay."""
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
                # Of descriptors or memory: others have to end before anybody can be taken.
                logger.error("no connection can be taken for now: %s", exc.strerror)
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
            logger.warning("a connection could not begin: %s", failure)
