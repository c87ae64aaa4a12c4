"""A limit on failed authentications: further failures within a minute get 429.

All callers share one budget, because programs on this machine cannot be distinguished. Only
failures count: a valid token always works.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from agent_session_manager.api.wire.limits import MAX_FAILURES, WINDOW_SECONDS

TOO_MANY = (
    429,
    "too_many_failures",
    f"{MAX_FAILURES} tokens or codes were refused within a minute; a valid one still works",
)


class Failures:
    """The failures of the last minute, without those that got 429."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._refused_at: deque[float] = deque(maxlen=MAX_FAILURES)

    def add(self) -> bool:
        """Count one failure. Return False, and do not count it, if the limit is reached."""
        now = self._monotonic()
        is_full = len(self._refused_at) == MAX_FAILURES
        if is_full and now - self._refused_at[0] < WINDOW_SECONDS:
            return False
        self._refused_at.append(now)
        return True
