"""Where a number means something: a process id is of one namespace of one boot."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from .session_client import _namespace


def processes() -> str:
    """Return what names the process ids that mean something here."""
    return _namespace("pid")


def boot_of(place: str) -> str:
    """Return the boot that a place is of; on one boot all containers share their locks."""
    return place.partition(" ")[0]


def terminate(pid: int, is_still_meant: Callable[[], bool]) -> None:
    """Send SIGTERM to a process, if its number is still its own once it cannot change any more."""
    if sys.platform != "linux":
        if is_still_meant():
            os.kill(pid, signal.SIGTERM)
        return
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if is_still_meant():
            signal.pidfd_send_signal(process, signal.SIGTERM)
    except ProcessLookupError:  # it ended this moment
        pass
    finally:
        os.close(process)
