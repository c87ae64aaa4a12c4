"""Waiting for what another process does: look again and again, bounded by a watchdog."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

WATCHDOG_SECONDS = 60.0
"""A test that waits this long hangs. No test depends on anything being faster."""
_LOOK_EVERY_SECONDS = 0.01


def wait_for(
    look: Callable[[], T | None],
    what: str,
    *,
    seconds: float = WATCHDOG_SECONDS,
    every: float = _LOOK_EVERY_SECONDS,
) -> T:
    """Return the first result of `look` that is neither None nor False; fail naming `what`."""
    assert seconds >= WATCHDOG_SECONDS, "a shorter wait would depend on the speed of the machine"
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)
