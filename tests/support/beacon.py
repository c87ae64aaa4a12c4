"""A Unix socket on which processes of a test report their start and, by closing it, their end.

A process connects, sends its pid, and keeps the connection until it dies. So a test needs neither
polling nor sleeping. `Beacon.command(...)` returns a program that does this, in several kinds. A
Unix socket can also be reached from another network namespace.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Self

from tests.support.waiting import WATCHDOG_SECONDS

PROGRAM = Path(__file__).with_name("lingering.py")


def _command(path: str, *kinds: str) -> list[str]:
    return [sys.executable, "-I", "-S", str(PROGRAM), path, *kinds]


class Arrival:
    """A process that has reported."""

    def __init__(self, reader: asyncio.StreamReader, pid: int, says: str) -> None:
        self._reader = reader
        self.pid = pid
        self.says = says

    async def gone(self) -> None:
        """Wait until the process is dead."""
        with contextlib.suppress(ConnectionResetError):
            await self._reader.read()

    @property
    def is_gone(self) -> bool:
        return self._reader.at_eof()


class Beacon:
    """A beacon for async tests; when its block ends, every process that reported ends too."""

    def __init__(self) -> None:
        # The path of a Unix socket must be short.
        self.path = Path(tempfile.mkdtemp(prefix="beacon-")) / "socket"
        self._arrivals: asyncio.Queue[Arrival] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []

    def command(self, *kinds: str) -> list[str]:
        """Return the argv of a process that reports and then waits; kinds: see lingering.py."""
        return _command(str(self.path), *kinds)

    async def arrival(self) -> Arrival:
        """Wait for the next process to report."""
        return await self._arrivals.get()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        beacon = cls()
        server = await asyncio.start_unix_server(beacon._meet, beacon.path)
        try:
            yield beacon
        finally:
            server.close()
            for writer in beacon._writers:
                writer.close()
            shutil.rmtree(beacon.path.parent)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        pid, _, says = (await reader.readline()).decode().strip().partition(" ")
        await self._arrivals.put(Arrival(reader, int(pid), says))


class BlockingBeacon:
    """A beacon that blocks the event loop: other processes run while no task of the test does."""

    def __init__(self, meeting: socket.socket) -> None:
        self._meeting = meeting
        self._arrivals: list[socket.socket] = []

    @classmethod
    @contextlib.contextmanager
    def open(cls) -> Iterator[Self]:
        with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as meeting:
            meeting.settimeout(WATCHDOG_SECONDS)
            meeting.bind(f"{short}/socket")
            meeting.listen()
            beacon = cls(meeting)
            try:
                yield beacon
            finally:
                for arrival in beacon._arrivals:
                    arrival.close()

    def command(self, *kinds: str) -> list[str]:
        """Return the argv of a process that reports and then waits; kinds: see lingering.py."""
        return _command(self._meeting.getsockname(), *kinds)

    def meet(self, count: int) -> None:
        """Block until `count` processes have reported."""
        while len(self._arrivals) < count:
            self._arrivals.append(self._meeting.accept()[0])
