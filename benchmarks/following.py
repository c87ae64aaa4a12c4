"""The time from the commit of an event until the followers of its session have it.

One process is the writer and all readers, to measure both ends with the same clock. The writer
notes the time of the response to each append. A reader notes when it reached which seq. A reader
parses only the newest id in a chunk, to use little CPU. The process reads a job as JSON from stdin,
and writes the 99th percentile in seconds to stdout.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import time
from dataclasses import asdict, dataclass

from benchmarks.job import run_job
from benchmarks.workload import dump, event

_ID = re.compile(rb"\nid: [0-9a-f]{32}:(\d+)\n")
_CHUNK_FRAME = re.compile(rb"\r\n[0-9a-f]+\r\n")
"""What chunked transfer encoding puts between two chunks, also within an id."""
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Job:
    """Readers of one session, and its events, evenly spread over the time."""

    port: int
    token: str
    session_id: str
    after_seq: int
    followers: int
    events_per_second: int
    seconds: float

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @property
    def count(self) -> int:
        return int(self.events_per_second * self.seconds)

    def head(self, line: str, *more: str) -> bytes:
        lines = (
            line,
            f"Host: 127.0.0.1:{self.port}",
            f"Authorization: Bearer {self.token}",
            *more,
        )
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


class _Follower:
    """A reader that notes when it reached which seq."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.arrivals: list[tuple[float, int]] = []

    async def follow(self, began: asyncio.Event) -> None:
        job = self._job
        reader, writer = await asyncio.open_connection("127.0.0.1", job.port)
        path = f"/sessions/{job.session_id}/events?follow=forever&after_seq={job.after_seq}"
        writer.write(job.head(f"GET {path} HTTP/1.1", "Accept: text/event-stream"))
        await reader.readuntil(b"event: session\n")
        began.set()
        last, rest = job.after_seq, b""
        while last < job.after_seq + job.count:
            chunk = await reader.read(65536)
            now = time.perf_counter()
            if not chunk:
                raise ConnectionError("the feed ended")
            received = rest + chunk
            seen = _CHUNK_FRAME.sub(b"", received)
            seq = _newest_seq(seen)
            if seq is not None:
                last = seq
                self.arrivals.append((now, last))
            rest = received[-100:]
        writer.close()


def _newest_seq(seen: bytes) -> int | None:
    """Return the seq of the last whole id, or None without one."""
    place = seen.rfind(b"\nid: ")
    while place >= 0:
        found = _ID.match(seen, place)
        if found is not None:
            return int(found[1])
        place = seen.rfind(b"\nid: ", 0, place)
    return None


async def _append(job: Job, acknowledged: dict[int, float]) -> None:
    """Send events at their due times over 16 connections, so that a slow response delays few."""
    path = f"POST /sessions/{job.session_id}/events HTTP/1.1"
    bodies = [dump(event(job.session_id)) for _ in range(job.count)]
    begin = time.perf_counter() + 0.2

    async def send(first: int, step: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", job.port)
        for number in range(first, job.count, step):
            due = begin + number / job.events_per_second - time.perf_counter()
            if due > 0:
                await asyncio.sleep(due)
            length = f"Content-Length: {len(bodies[number])}"
            head = job.head(path, "Content-Type: application/json", length)
            writer.write(head + bodies[number])
            answer = await reader.readuntil(b"}")
            seq = int(answer.rpartition(b"[")[2].partition(b"]")[0])
            acknowledged[seq] = time.perf_counter()
        writer.close()

    await asyncio.gather(*(send(first, 16) for first in range(16)))


async def _run(job: Job) -> float:
    followers = [_Follower(job) for _ in range(job.followers)]
    began = [asyncio.Event() for _ in followers]
    acknowledged: dict[int, float] = {}
    async with asyncio.timeout(_TIMEOUT_SECONDS + job.seconds), asyncio.TaskGroup() as group:
        for follower, event_ in zip(followers, began, strict=True):
            group.create_task(follower.follow(event_))
        for event_ in began:
            await event_.wait()
        gc.freeze()
        gc.disable()
        group.create_task(_append(job, acknowledged))
    latencies = []
    for follower in followers:
        before = job.after_seq
        for moment, last in follower.arrivals:
            latencies += [moment - acknowledged[seq] for seq in range(before + 1, last + 1)]
            before = last
    latencies.sort()
    return latencies[int(len(latencies) * 0.99)]


if __name__ == "__main__":
    run_job(Job, _run)
