"""Restores signal handlers: one that a test leaves behind would affect the tests after it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NUMBERS = signal.valid_signals() - {signal.SIGALRM}  # which times the tests


def handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in NUMBERS}


@contextmanager
def signals_kept() -> Iterator[None]:
    """Restore the signal handlers that the block replaces, e.g. by running a command in-process."""
    before = handlers()
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
