"""Waiting for what another process does: looked at again and again, and never for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

WAIT_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.01


def wait_for(
    look: Callable[[], T | None],
    what: str,
    *,
    seconds: float = WAIT_SECONDS,
    every: float = _LOOK_EVERY_SECONDS,
) -> T:
    """The first thing `look` finds that is not None or False; a failure that says `what` is not."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)
