"""Clocks, passed as an argument so that tests can replace them, and pauses after failures."""

from __future__ import annotations

import random
import threading
import time

FIRST_PAUSE_SECONDS = 0.1
"""Longest pause without a failure before it; each consecutive failure doubles it."""


class Time:
    """The system's clocks and waits, all in seconds."""

    def clock(self) -> float:
        """Return the time since 1970, for stored values. It may jump."""
        return time.time()

    def monotonic(self) -> float:
        """Return the time of a monotonic clock, for durations."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for the event, at most `seconds`; return whether the event is set."""
        return event.wait(seconds)


SYSTEM = Time()


class Backoff:
    """Pauses that grow with each consecutive failure.

    They are random, so that the clients of a restarted manager do not all retry at the same time.
    """

    def __init__(self, most_seconds: float) -> None:
        self.failures = 0
        self._most = most_seconds

    def fail(self) -> None:
        self.failures += 1

    def succeed(self) -> None:
        self.failures = 0

    def pause_seconds(self) -> float:
        """Return the pause before the next attempt."""
        longest = FIRST_PAUSE_SECONDS * 2.0 ** min(self.failures, 20)
        return random.uniform(0, min(self._most, longest))
