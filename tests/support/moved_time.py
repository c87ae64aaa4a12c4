"""A clock that advances only when the code under test sleeps, so that tests take no time."""

from __future__ import annotations

import threading

from agent_orchestrator.machine.clock import Time


class MovedTime(Time):
    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now
        self.pauses: list[float] = []

    def clock(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if not event.is_set():
            self.sleep(seconds)
        return event.is_set()


class PassingTime(MovedTime):
    """A clock that also advances by a step each time it is read."""

    def __init__(self, step_seconds: float = 0.1) -> None:
        super().__init__()
        self._step_seconds = step_seconds

    def monotonic(self) -> float:
        self.now += self._step_seconds
        return self.now
