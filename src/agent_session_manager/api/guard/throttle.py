"""How often a token or a code was refused of late: beyond a limit, guessing is answered otherwise.

There is one budget, whoever asks and over whichever address of loopback: programs on this machine
cannot be told apart. It is for refusals alone: the right token is never kept waiting for others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from agent_session_manager.api.wire.limits import MAX_FAILURES, WINDOW_SECONDS

TOO_MANY = (
    429,
    "too_many_failures",
    f"a token or a code was refused {MAX_FAILURES} times within a minute; the right one is taken",
)


class Failures:
    """The refusals of the last minute. What was answered with 429 is not one of them."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._refused_at: deque[float] = deque(maxlen=MAX_FAILURES)

    def add(self) -> bool:
        """Count one more; False, and it is not counted, when there were too many already."""
        now = self._monotonic()
        is_full = len(self._refused_at) == MAX_FAILURES
        if is_full and now - self._refused_at[0] < WINDOW_SECONDS:
            return False
        self._refused_at.append(now)
        return True
