"""Many writers at once, and what each of them was told."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from tests.support.api import Api, Serving
from tests.support.manager import RunningManager
from tests.support.waiting import wait_for


class Load:
    """Threads that append single events, each on a connection of its own, until they are cut off.

    `acknowledged` holds the seq of each event that was answered 201, by its `event_id`; it only
    grows. `refused` holds every other status that was answered.
    """

    def __init__(self, manager: RunningManager, session_id: str, threads: int) -> None:
        self.acknowledged: dict[str, int] = {}
        self.refused: list[int] = []
        self._target = f"/sessions/{session_id}/events"
        self._manager = manager
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._write) for _ in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Let the requests that are under way end, and send no more."""
        self._ending.set()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()

    def wait_until_acknowledged(self, count: int) -> None:
        wait_for(lambda: len(self.acknowledged) >= count, f"{count} events", seconds=20)

    def _write(self) -> None:
        with Api(self._manager) as api:
            while not self._ending.is_set():
                event_id = uuid4().hex
                try:
                    answer = api.post(self._target, {"event_type": "x", "event_id": event_id})
                except (OSError, http.client.HTTPException):
                    return  # the manager is gone: whether this one was kept, nobody was told
                if answer.status != 201:
                    self.refused.append(answer.status)
                    return
                (self.acknowledged[event_id],) = answer.json["seqs"]


@contextmanager
def load(manager: RunningManager, session_id: str, *, threads: int = 8) -> Iterator[Load]:
    running = Load(manager, session_id, threads)
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
