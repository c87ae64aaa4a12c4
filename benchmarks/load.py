"""The load generator: a separate process that keeps 16 connections busy with little CPU.

It shares the cores with the server, so its CPU time reduces the server's. Therefore it builds all
requests before the clock starts, and parses only the status and the length of a response. Program
and requests are the same for every server. It reads a job as JSON from stdin, and writes the rate
to stdout.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import cast

from benchmarks.job import run_job
from benchmarks.workload import dump, event, session_ids

TIMEOUT_SECONDS = 60.0
_HEADERS_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass(frozen=True, kw_only=True)
class Job:
    """One round against one server."""

    round: int
    port: int
    token: str
    requests_per_session: int
    events_per_request: int
    """With 1 a request is a single event, otherwise a list."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class _Connection(asyncio.Protocol):
    """Sends the next request after each response; `answered` is the body of the last response."""

    def __init__(self, requests: list[bytes]) -> None:
        self._left: Iterator[bytes] = iter(requests)
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's stream transport is not a subclass of asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)

    def send(self) -> bool:
        request = next(self._left, None)
        if request is None:
            return False
        assert self._transport is not None
        self._transport.write(request)
        return True

    def data_received(self, data: bytes) -> None:
        received = self._received + data
        headers_end = received.find(_HEADERS_END)
        body = headers_end + len(_HEADERS_END)
        length = received.find(_LENGTH) + len(_LENGTH)
        if headers_end < 0 or len(received) < body + int(received[length : length + 6].split()[0]):
            self._received = received
            return
        self._received = b""
        if not received.startswith(b"HTTP/1.1 201"):
            self._end(ConnectionError(received.decode()))
        elif not self.send():
            self.answered.set_result(received[body:])

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("the server closed the connection"))

    def _end(self, exc: Exception) -> None:
        if not self.answered.done():
            self.answered.set_exception(exc)


def _requests(job: Job, session_id: str) -> list[bytes]:
    head = (
        f"POST /sessions/{session_id}/events HTTP/1.1\r\nHost: 127.0.0.1:{job.port}\r\n"
        f"Authorization: Bearer {job.token}\r\nContent-Type: application/json\r\nContent-Length: "
    )
    requests = []
    for _ in range(job.requests_per_session):
        events = [event(session_id) for _ in range(job.events_per_request)]
        body = dump(events[0] if len(events) == 1 else events)
        requests.append(f"{head}{len(body)}\r\n\r\n".encode() + body)
    return requests


async def _run(job: Job) -> float:
    """Send all requests; return the number of acknowledged events per second."""
    loop = asyncio.get_running_loop()
    connections = []
    for session_id in session_ids(job.round):
        requests = _requests(job, session_id)
        _, connection = await loop.create_connection(
            lambda requests=requests: _Connection(requests),  # type: ignore[misc]
            "127.0.0.1",
            job.port,
        )
        connections.append(connection)
    gc.freeze()
    gc.disable()
    started = time.perf_counter()
    for connection in connections:
        connection.send()
    async with asyncio.timeout(TIMEOUT_SECONDS):
        answers = await asyncio.gather(*(connection.answered for connection in connections))
    seconds = time.perf_counter() - started
    per_session = job.requests_per_session * job.events_per_request
    for answer in answers:
        last_seq = json.loads(answer)["seqs"][-1]
        if last_seq != per_session:
            raise ValueError(
                f"the last seq is {last_seq} instead of {per_session}: missing or duplicate events"
            )
    return len(connections) * per_session / seconds


if __name__ == "__main__":
    run_job(Job, _run)
