"""The pace of work that is repeated: the longer it takes, the less often it is done."""

from __future__ import annotations


class Pace:
    """Repeats work after a least time, and after a multiple of the time that it took."""

    def __init__(self, least_seconds: float, factor: float) -> None:
        self._least = least_seconds
        self._factor = factor
        self._ended: float | None = None
        self._took = 0.0

    def is_due(self, now: float) -> bool:
        if self._ended is None:
            return True
        return now >= self._ended + max(self._least, self._factor * self._took)

    def note(self, began: float, ended: float) -> None:
        self._took, self._ended = ended - began, ended
