"""Many writers at once, and what each of them was told."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from tests.support.api import Api, Serving
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS, wait_for


class Load:
    """Threads that append events, each on a connection of its own, until they are cut off.

    Each request is a single event, or with `at_once` a list of so many; with `per_second` they come
    as evenly as they can, so many of all events a second.

    `acknowledged` holds the seq of each event that was answered 201, by its `event_id`; it only
    grows. `refused` holds every other status that was answered.
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
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._write) for _ in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Let the requests that are under way end, and send no more."""
        self._ending.set()
        for thread in self._threads:
            thread.join(WATCHDOG_SECONDS)
            assert not thread.is_alive()

    def wait_until_acknowledged(self, count: int) -> None:
        wait_for(lambda: len(self.acknowledged) >= count, f"{count} events")

    def _write(self) -> None:
        next_at = time.monotonic()
        with Api(self._manager) as api:
            while not self._ending.wait(max(0.0, next_at - time.monotonic())):
                next_at += self._pause_seconds
                ids = [uuid4().hex for _ in range(self._at_once)]
                events = [{"event_type": "x", "event_id": event_id} for event_id in ids]
                try:
                    answer = api.post(self._target, events if len(events) > 1 else events[0])
                except (OSError, http.client.HTTPException):
                    return  # the manager is gone: whether this one was kept, nobody was told
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
    """The `event_id` of every event of a session, by its seq, read to the end."""
    found: dict[int, str] = {}
    with Api(manager) as api:
        while True:
            answer = api.get(f"/sessions/{session_id}/events?after_seq={max(found, default=0)}")
            found |= {event["seq"]: event["event_id"] for event in answer.json["events"]}
            if not answer.json["has_more"]:
                return found
