"""Sends the events of a run to the manager, in order, while the run goes on.

A thread sends what has arrived since its last request, so that a slow manager makes larger
requests and not a slower agent. Every event has an id, so sending one again is harmless, and what
fails in a way that may pass is sent again until it is through or the time for it is up.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, Self
from uuid import uuid4

import httpx
import stamina

from .manager_client import MAX_EVENTS_PER_APPEND
from .session_client import SessionClientError

MAX_BATCH_BYTES = 2 * 1024 * 1024
GIVE_UP_SECONDS = 60.0
MAX_PAUSE_SECONDS = 2.0

Event = dict[str, Any]


class RecordingError(Exception):
    """Events did not reach the manager; the text says how many and why."""


class Appends(Protocol):
    """What a recorder needs of a manager: `ManagerClient.append_events`."""

    def append_events(self, session_id: str, events: Sequence[Event]) -> list[int]: ...


class Recorder:
    """Records one run. Leaving the block waits until everything is on the manager's disk.

    Raises:
        RecordingError: on leaving, where something could not be delivered.
    """

    def __init__(
        self,
        manager: Appends,
        session_id: str,
        run: int,
        *,
        give_up_seconds: float = GIVE_UP_SECONDS,
    ) -> None:
        """Take what to record for; one request is tried again for `give_up_seconds`."""
        self._manager = manager
        self._session_id = session_id
        self._run = run
        self._give_up_seconds = give_up_seconds
        self._waiting: deque[Event] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._failure: SessionClientError | None = None
        self._refused: list[str] = []
        self._thread = threading.Thread(target=self._deliver, name="recorder", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        if self._failure is not None and error is None:
            raise RecordingError(
                f"{len(self._waiting)} events did not reach the manager: {self._failure}"
            )
        if self._refused and error is None:
            raise RecordingError(f"the manager refused an event: {self._refused[0]}")

    def record(self, event: Event) -> None:
        """Take an event for delivery; never waits for the manager."""
        with self._changed:
            self._waiting.append({"event_id": str(uuid4()), **event, "run": self._run})
            self._changed.notify()

    def _deliver(self) -> None:
        while self._failure is None:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                batch = self._next_batch()
            if not batch:
                return
            for _ in range(self._send(batch)):
                self._waiting.popleft()

    def _next_batch(self) -> list[Event]:
        batch: list[Event] = []
        size = 0
        for event in self._waiting:
            size += _size(event)
            if batch and (len(batch) == MAX_EVENTS_PER_APPEND or size > MAX_BATCH_BYTES):
                break
            batch.append(event)
        return batch

    def _send(self, batch: list[Event]) -> int:
        """Send a batch; return how many of its events need not be sent any more."""
        again = stamina.retry_context(
            on=_may_pass, attempts=None, timeout=self._give_up_seconds, wait_max=MAX_PAUSE_SECONDS
        )
        try:
            for attempt in again:
                with attempt:
                    self._manager.append_events(self._session_id, batch)
        except SessionClientError as exc:
            return self._isolate(batch, exc)
        return len(batch)

    def _isolate(self, batch: list[Event], refusal: SessionClientError) -> int:
        """Find the event that is refused for good, so that it holds up no other."""
        if len(batch) > 1 and not _may_pass(refusal):
            one_by_one = (self._send([event]) for event in batch)
            return sum(itertools.takewhile(bool, one_by_one))
        if _is_about_the_event(refusal):
            self._refused.append(str(refusal))
            return 1
        # Time is up, the session is gone, or we are not let in: no event will ever be taken.
        self._failure = refusal
        return 0


def _size(event: Event) -> int:
    """Its bytes on the way; one that cannot be sent as JSON at all is found out on sending."""
    return len(json.dumps(event, ensure_ascii=False, default=repr).encode(errors="replace"))


def _may_pass(error: Exception) -> bool:
    """Whether the same request may be taken later: nobody answered, or asked for patience."""
    if not isinstance(error, SessionClientError):
        return False
    status = error.status_code
    if status is None:
        return isinstance(error.__cause__, httpx.TransportError)
    return status >= 500 or status in (401, 408, 425, 429)


def _is_about_the_event(refusal: SessionClientError) -> bool:
    """Whether the manager does not take this event, or it cannot even be sent as JSON."""
    if refusal.status_code is None:
        return isinstance(refusal.__cause__, TypeError | ValueError | RecursionError)
    return refusal.status_code in (400, 413, 422)
