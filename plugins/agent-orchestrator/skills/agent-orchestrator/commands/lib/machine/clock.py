"""Time, as what needs it is given it; a test gives another. And how long to wait after failures."""

from __future__ import annotations

import random
import threading
import time


class Time:
    """The uses of time, all in seconds."""

    def clock(self) -> float:
        """Since 1970, for what is kept on a disk. It may jump."""
        return time.time()

    def monotonic(self) -> float:
        """Since some moment of this machine, for how long something takes."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Sleep, but not beyond the event; return whether that is set."""
        return event.wait(seconds)


SYSTEM = Time()


class Backoff:
    """Pauses that grow with each failure in a row.

    They are drawn at random: all clients of a manager that was away come back at once.
    """

    def __init__(self, most_seconds: float, *, first_seconds: float = 0.1) -> None:
        self.failures = 0
        self._most = most_seconds
        self._first = first_seconds

    def fail(self) -> None:
        self.failures += 1

    def succeed(self) -> None:
        self.failures = 0

    def pause_seconds(self) -> float:
        """How long to wait before the next try."""
        return random.uniform(0, min(self._most, self._first * 2.0 ** min(self.failures, 20)))
