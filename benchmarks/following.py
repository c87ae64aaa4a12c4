"""How long after its commit an event is with those who follow its session.

One process is writer and all readers, so that one clock tells both ends: the writer notes when the
answer to each append came, a reader when it had read on up to which seq. Of what a reader gets it
looks at the newest id alone, so that it costs the machine as little as it can. A job comes as JSON
on stdin, the 99th percentile in seconds goes to stdout.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from dataclasses import asdict, dataclass

import uvloop

from benchmarks.workload import dump, event

_ID = b"\nid: "
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Job:
    """So many readers of one session, and so many events for it, evenly over the seconds."""

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
    """Notes when it has come to which seq."""

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
            seen = rest + chunk
            place = seen.rfind(_ID)
            end = seen.find(b"\n", place + len(_ID))
            if place >= 0 and end >= 0:
                last = int(seen[place + len(_ID) : end].rpartition(b":")[2])
                self.arrivals.append((now, last))
            rest = seen[-100:]
        writer.close()


async def _append(job: Job, acknowledged: dict[int, float]) -> None:
    """Send events at their times over a few connections, whatever the answers take."""
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


def main() -> None:
    job = Job(**json.loads(sys.stdin.read()))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_run(job))))


if __name__ == "__main__":
    main()
