"""Producers that retry until an event is acknowledged, and a follower that resumes at its cursor.

A producer sends an unacknowledged event again with the same id, also after the manager was killed.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import httpx

from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.streams import streaming
from tests.support.waiting import WATCHDOG_SECONDS, wait_for
from tests.support.working_threads import WorkingThreads

PAUSE_SECONDS = 0.05
GONE = (OSError, http.client.HTTPException, httpx.TransportError)
"""Errors of a request to a manager that was killed or does not serve yet."""


class Producers(WorkingThreads):
    """Threads that send events numbered from 1, each until its current event is acknowledged.

    `acknowledged` maps the `event_id` of each event that was answered with 201 to its seq.
    """

    def __init__(self, manager: RunningManager, session_id: str, count: int) -> None:
        self.acknowledged: dict[str, int] = {}
        self.last_acknowledged_at = 0.0
        self.latencies: list[float] = []
        """Response times of events that were acknowledged at the first try."""
        self.resent = 0
        self.refused: list[int] = []
        self._manager = manager
        self._target = f"/sessions/{session_id}/events"
        super().__init__(partial(self._produce, number) for number in range(count))

    def wait_for_one_after(self, moment: float) -> float:
        """Wait for an acknowledgement after this moment; return its time."""

        def found() -> float | None:
            at = self.last_acknowledged_at
            return at if at > moment else None

        return wait_for(found, "an event is acknowledged", every=0.002)

    def _produce(self, producer: int) -> None:
        number = 0
        while not self.ending.is_set():
            number += 1
            self._deliver(producer, number)

    def _deliver(self, producer: int, number: int) -> None:
        event_id = f"{producer}-{number}"
        event = {"event_type": "x", "event_id": event_id, "producer": producer, "number": number}
        tries = 0
        while True:
            tries += 1
            try:
                with Api(self._manager) as api:
                    began_at = time.monotonic()
                    answer = api.post(self._target, event)
            except GONE:
                time.sleep(PAUSE_SECONDS)
                continue
            if answer.status != 201:
                self.refused.append(answer.status)
                time.sleep(PAUSE_SECONDS)
                continue
            (self.acknowledged[event_id],) = answer.json["seqs"]
            self.last_acknowledged_at = time.monotonic()
            if tries == 1:
                self.latencies.append(self.last_acknowledged_at - began_at)
            else:
                self.resent += 1
            return


class Follower:
    """A thread that reads a session to its end, and reconnects as often as necessary."""

    def __init__(self, manager: RunningManager, session_id: str) -> None:
        self.seqs: list[int] = []
        self.connections = 0
        self.failure: BaseException | None = None
        self._manager = manager
        self._target = f"/sessions/{session_id}/events"
        self._cursor: str | None = None
        self._thread = threading.Thread(target=self._follow)

    def start(self) -> None:
        self._thread.start()

    def wait(self) -> list[int]:
        """Wait for the end of the session; return the seqs of all events received."""
        self._thread.join(WATCHDOG_SECONDS)
        assert not self._thread.is_alive(), f"it has {len(self.seqs)} events"
        if self.failure is not None:
            raise self.failure
        return self.seqs

    def _follow(self) -> None:
        try:
            while not self._read_once():
                time.sleep(PAUSE_SECONDS)
        except BaseException as exc:
            self.failure = exc

    def _read_once(self) -> bool:
        """Read until the connection ends; return whether the session has ended."""
        headers = {"Last-Event-ID": self._cursor} if self._cursor else {}
        try:
            with streaming(self._manager, self._target, headers) as stream:
                self.connections += 1
                for frame in stream:
                    if frame.name == "end":
                        return True
                    if frame.name == "event":
                        self.seqs.append(frame.data["seq"])
                    self._cursor = frame.cursor or self._cursor
        except GONE:
            pass
        return False


@contextmanager
def producing(
    manager: RunningManager, session_id: str, *, count: int
) -> Iterator[tuple[Producers, Follower]]:
    """Create a session with `count` producers and one follower."""
    with Api(manager) as api:
        created = api.post("/sessions", {"session_id": session_id, "session_name": session_id})
        assert created.status == 201
    producers, follower = Producers(manager, session_id, count), Follower(manager, session_id)
    follower.start()
    producers.start()
    try:
        yield producers, follower
    finally:
        producers.end()
        with Api(manager) as api:
            api.post(f"/sessions/{session_id}/events", {"event_type": "session_stop"})


def check_order(stored: dict[int, str]) -> None:
    """Assert that the events of each producer are stored once, in the order it sent them."""
    numbers: dict[str, int] = {}
    for seq in sorted(stored):
        producer, _, number = stored[seq].partition("-")
        assert int(number) == numbers.get(producer, 0) + 1, (seq, stored[seq])
        numbers[producer] = int(number)
