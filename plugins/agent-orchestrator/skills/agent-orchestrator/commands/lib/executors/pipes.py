"""Reading what a child writes, until nobody can write any more."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable

from ..processes import Child
from .events import CHUNK_BYTES

MAX_TURNS = 256
"""Reads of a pipe that a process outside of the run holds open and may write into for ever."""


class Drain:
    """Reads stdout (1) or stderr (2) of a child in a task, from construction until `finish`."""

    def __init__(self, child: Child, number: int, take: Callable[[bytes], None]) -> None:
        self._stream = child.stdout if number == 1 else child.stderr
        self._pipe = child.pipe(number)
        self._take = take
        self.task = asyncio.create_task(self._read(), name=f"drain {number} of {child.pid}")

    def is_held_open(self) -> bool:
        """Return whether a process can still write into the pipe.

        The kernel answers, so it makes no difference how much of the pipe was read.
        """
        return not self.task.done() and not self._poll() & select.POLLHUP

    async def finish(self) -> None:
        """Read to the end of the pipe or, if it is held open, what is in it now."""
        for _ in range(MAX_TURNS):
            if self.task.done():
                break
            state = self._poll()
            if state & select.POLLHUP:  # nobody can write any more: its end is near
                await asyncio.wait({self.task})
                break
            await asyncio.sleep(0)  # one turn for the loop to read, one for the task to take it
            await asyncio.sleep(0)
            if not state & select.POLLIN:
                break
        self.task.cancel()
        await asyncio.wait({self.task})

    async def _read(self) -> None:
        while chunk := await self._stream.read(CHUNK_BYTES):
            self._take(chunk)

    def _poll(self) -> int:
        if self._pipe.closed:
            return select.POLLHUP
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        return next((state for _, state in poll.poll(0)), 0)
