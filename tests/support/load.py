"""Many concurrent writers, and the responses that each received."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from tests.support.api import Api, Serving
from tests.support.manager import RunningManager
from tests.support.waiting import wait_for
from tests.support.working_threads import WorkingThreads


class Load(WorkingThreads):
    """Threads that append events, each on its own connection, until the connection breaks.

    Each request has one event, or a list of `at_once` events. `per_second` limits the number of
    events a second of all threads together, evenly spread.

    `acknowledged` maps the `event_id` of each event that was answered with 201 to its seq; it only
    grows. `refused` holds every other status received.
    """

    def __init__(
        self,
        manager: RunningManager,
        session_id: str,
        threads: int,
        *,
        at_once: int = 1,
        per_second: float = float("inf"),
    ) -> None:
        self.acknowledged: dict[str, int] = {}
        self.refused: list[int] = []
        self._target = f"/sessions/{session_id}/events"
        self._manager = manager
        self._at_once = at_once
        self._pause_seconds = threads * at_once / per_second
        super().__init__([self._write] * threads)

    def wait_until_acknowledged(self, count: int) -> None:
        wait_for(lambda: len(self.acknowledged) >= count, f"{count} events")

    def _write(self) -> None:
        next_at = time.monotonic()
        with Api(self._manager) as api:
            while not self.ending.wait(max(0.0, next_at - time.monotonic())):
                next_at += self._pause_seconds
                ids = [uuid4().hex for _ in range(self._at_once)]
                events = [{"event_type": "x", "event_id": event_id} for event_id in ids]
                try:
                    answer = api.post(self._target, events if len(events) > 1 else events[0])
                except (OSError, http.client.HTTPException):
                    return  # the manager is gone; the outcome of this request is unknown
                if answer.status != 201:
                    self.refused.append(answer.status)
                    return
                self.acknowledged.update(zip(ids, answer.json["seqs"], strict=True))


@contextmanager
def load(
    manager: RunningManager,
    session_id: str,
    *,
    threads: int = 8,
    at_once: int = 1,
    per_second: float = float("inf"),
) -> Iterator[Load]:
    running = Load(manager, session_id, threads, at_once=at_once, per_second=per_second)
    running.start()
    try:
        yield running
    finally:
        running.end()


def stored_events(manager: Serving, session_id: str) -> dict[int, str]:
    """Read all events of a session; return the `event_id` of each by its seq."""
    found: dict[int, str] = {}
    with Api(manager) as api:
        while True:
            answer = api.get(f"/sessions/{session_id}/events?after_seq={max(found, default=0)}")
            found |= {event["seq"]: event["event_id"] for event in answer.json["events"]}
            if not answer.json["has_more"]:
                return found
