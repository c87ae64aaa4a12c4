"""Polling for the effect of another process, with a timeout."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

WATCHDOG_SECONDS = 60.0
"""A test that waits this long has failed. No test depends on a shorter time."""
_EMPTY: tuple[object, ...] = ("", (), [], {})
_LOOK_EVERY_SECONDS = 0.01
_LOOK_AT_LEAST_EVERY_SECONDS = 0.1


def wait_for(
    look: Callable[[], T | None],
    what: str,
    *,
    seconds: float = WATCHDOG_SECONDS,
    every: float | None = None,
) -> T:
    """Return the first result of `look` that is not None, False or empty; fail naming `what`.

    The pause between two looks grows with the time waited, to leave the CPU to the other process.
    `every` sets a fixed pause instead.
    """
    assert seconds >= WATCHDOG_SECONDS, "a shorter wait would depend on the speed of the machine"
    began = time.monotonic()
    while True:
        found = look()
        if found is not None and found is not False and found not in _EMPTY:
            return found
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        pause = min(max(_LOOK_EVERY_SECONDS, waited / 20), _LOOK_AT_LEAST_EVERY_SECONDS)
        time.sleep(pause if every is None else every)
