"""Reads the output of a child until the pipe closes, or until the child's output is read.

A child that has ended writes no more: all its output is in its pipe. So the speed of reading makes
no difference, and no process that holds the pipe open is waited for.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncGenerator, Callable
from typing import IO, Any

from ...events.prepare import CHUNK_BYTES
from ...machine.processes import Child

MAX_TURNS = 256
"""Maximum reads of a pipe that an outside process holds open and may write to forever."""


class Drain:
    """Reads stdout (1) or stderr (2) of a child in a task, from construction until `finish`."""

    def __init__(self, child: Child, number: int, take: Callable[[bytes], None]) -> None:
        self._stream = child.stdout if number == 1 else child.stderr
        self._pipe = child.pipe(number)
        self._take = take
        self._failure: Exception | None = None
        self.task = asyncio.create_task(self._read(), name=f"drain {number} of {child.pid}")

    def is_held_open(self) -> bool:
        """Return whether a process can still write into the pipe.

        The kernel reports it, so it does not matter how much of the pipe was read.
        """
        return not self.task.done() and not _poll(self._pipe) & select.POLLHUP

    async def finish(self) -> None:
        """Read to the end of the pipe. If it is held open, read its present content.

        Raises:
            Exception: the error of `take`, or of the reading.
        """
        for _ in range(MAX_TURNS):
            if self.task.done():
                break
            if not await _turn(self._pipe, self.task):
                break
        self.task.cancel()
        await asyncio.wait({self.task})
        if not self.task.cancelled():
            self.task.result()
        if self._failure is not None:
            raise self._failure

    async def _read(self) -> None:
        while chunk := await self._stream.read(CHUNK_BYTES):
            if self._failure is None:
                try:
                    self._take(chunk)
                except Exception as exc:  # kept for `finish`: the child must not wait for a reader
                    self._failure = exc


async def read_stdout(child: Child) -> AsyncGenerator[bytes, None]:
    """Yield the stdout of a child until it has ended and all its output was yielded."""
    pipe = child.pipe(1)
    ended = asyncio.ensure_future(child.wait())
    turns = 0
    try:
        while turns < MAX_TURNS:
            reading = asyncio.ensure_future(child.stdout.read(CHUNK_BYTES))
            try:
                await asyncio.wait({reading, ended}, return_when=asyncio.FIRST_COMPLETED)
                while ended.done() and not reading.done() and turns < MAX_TURNS:
                    turns += 1
                    if not await _turn(pipe, reading):
                        break
                chunk = reading.result() if reading.done() else b""
            finally:
                reading.cancel()
            if not chunk:
                break
            yield chunk
    finally:
        ended.cancel()


async def _turn(pipe: IO[bytes], reading: asyncio.Future[Any]) -> bool:
    """Let a reader read the content of its pipe; return whether there can be more."""
    state = _poll(pipe)
    if state & select.POLLHUP:  # no process can write, so its end is near
        await asyncio.wait({reading})
        return False
    await asyncio.sleep(0)  # one turn for the loop to read, one for the task to take it
    await asyncio.sleep(0)
    return bool(state & select.POLLIN)


def _poll(pipe: IO[bytes]) -> int:
    if pipe.closed:
        return select.POLLHUP
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    return next((state for _, state in poll.poll(0)), 0)
