"""A load generator in a separate process, which reports the responses it received.

`python -m tests.support.pressure` reads the fields of `Pressure` as JSON from stdin and writes
`Told` to stdout. It uses one event loop: with one thread per connection, the client would be the
bottleneck instead of the manager.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import cast

import uvloop

from tests.support.waiting import WATCHDOG_SECONDS

ROOT = Path(__file__).parents[2]
EVENTS = 100
"""Events per request; many, so that the client is not the bottleneck."""
PROCESSES = 2
CAPACITY_CONNECTIONS = 32
OVERLOAD_CONNECTIONS = 600
OVERLOAD = 5


@dataclass(frozen=True, kw_only=True)
class Pressure:
    """A request to repeat, and how often."""

    port: int
    request: str
    connections: int
    seconds: float
    per_second: float | None = None
    """Requests started per second; None: each connection sends when the last one was answered."""


@dataclass
class Told:
    """Responses by status, and the response times of rejected and of accepted requests."""

    statuses: dict[str, int] = field(default_factory=dict)
    without_retry_after: int = 0
    unsent: int = 0
    """Number of requests not sent because no connection was free."""
    refused_seconds: list[float] = field(default_factory=list)
    taken_seconds: list[float] = field(default_factory=list)

    @property
    def taken(self) -> int:
        return self.statuses.get("201", 0)

    @property
    def refused(self) -> int:
        return self.statuses.get("503", 0)


class _Connection(asyncio.Protocol):
    def __init__(self, generator: _Generator) -> None:
        self._generator = generator
        self._came = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self) -> None:
        assert self._transport is not None
        self._sent_at = time.perf_counter()
        self._transport.write(self._generator.request)

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, end, body = self._came.partition(b"\r\n\r\n")
        lower = head.lower()
        _, _, length = lower.partition(b"content-length: ")
        if end and len(body) >= int(length.split(b"\r\n")[0]):
            self._came = b""
            seconds = time.perf_counter() - self._sent_at
            self._generator.answered(self, head[9:12].decode(), b"retry-after" in lower, seconds)


class _Generator:
    def __init__(self, pressure: Pressure) -> None:
        self.request = pressure.request.encode()
        self.told = Told()
        self._pressure = pressure
        self._free: deque[_Connection] = deque()
        self._all_free = asyncio.Event()
        self._ends_at = 0.0

    async def run(self) -> Told:
        loop = asyncio.get_running_loop()
        for _ in range(self._pressure.connections):
            _, made = await loop.create_connection(
                lambda: _Connection(self), "127.0.0.1", self._pressure.port
            )
            self._free.append(made)
        self._ends_at = time.perf_counter() + self._pressure.seconds
        if self._pressure.per_second is None:
            for connection in [*self._free]:
                connection.send()
            self._free.clear()
            await asyncio.sleep(self._pressure.seconds)
        else:
            await self._send_at_a_rate(self._pressure.per_second)
        async with asyncio.timeout(WATCHDOG_SECONDS):
            while len(self._free) < self._pressure.connections:
                self._all_free.clear()
                await self._all_free.wait()
        return self.told

    async def _send_at_a_rate(self, per_second: float) -> None:
        began = time.perf_counter()
        due = 0
        while (now := time.perf_counter()) < self._ends_at:
            target = int((now - began) * per_second)
            while due < target:
                due += 1
                if self._free:
                    self._free.popleft().send()
                else:
                    self.told.unsent += 1
            await asyncio.sleep(0.002)

    def answered(
        self, connection: _Connection, status: str, has_retry_after: bool, seconds: float
    ) -> None:
        told = self.told
        told.statuses[status] = told.statuses.get(status, 0) + 1
        if status == "503":
            told.refused_seconds.append(seconds)
            told.without_retry_after += not has_retry_after
        else:
            told.taken_seconds.append(seconds)
        if self._pressure.per_second is None and time.perf_counter() < self._ends_at:
            connection.send()
        else:
            self._free.append(connection)
            if len(self._free) == self._pressure.connections:
                self._all_free.set()


def capacity_pressure(port: int, token: str, session_id: str, *, seconds: float) -> Pressure:
    """Return the share of one process in as many appends as the manager takes."""
    event = {"event_type": "message", "role": "assistant", "text": "x" * 80}
    body = json.dumps([event] * EVENTS)
    request = (
        f"POST /sessions/{session_id}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    connections = CAPACITY_CONNECTIONS // PROCESSES
    return Pressure(port=port, request=request, connections=connections, seconds=seconds)


def overload_pressure(capacity: Pressure, *, peak: float, seconds: float) -> Pressure:
    """Return the share of one process in a load of `OVERLOAD` times the `peak` per second."""
    return replace(
        capacity,
        connections=OVERLOAD_CONNECTIONS // PROCESSES,
        seconds=seconds,
        per_second=OVERLOAD * peak / PROCESSES,
    )


def press(*pressures: Pressure) -> list[Told]:
    """Run all generators at the same time, each in a separate process."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.support.pressure"],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for _ in pressures
        ]
        for process, pressure in zip(processes, pressures, strict=True):
            stack.callback(process.kill)  # if another one fails
            assert process.stdin is not None
            process.stdin.write(json.dumps(asdict(pressure)).encode())
            process.stdin.close()
            process.stdin = None
        told = []
        for process, pressure in zip(processes, pressures, strict=True):
            out, _ = process.communicate(timeout=pressure.seconds + 2 * WATCHDOG_SECONDS)
            told.append(Told(**json.loads(out)))
        return told


if __name__ == "__main__":
    told = uvloop.run(_Generator(Pressure(**json.load(sys.stdin))).run())
    json.dump(asdict(told), sys.stdout)
