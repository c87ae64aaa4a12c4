"""Locks of processes on open files. The kernel releases a lock when its holder ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from .private_files import open_private, open_to_read

_LOOK_SECONDS = 0.001


def take_lock(descriptor: int) -> bool:
    """Lock a file until it is closed; return False if another process has locked it.

    A process that only looks, with `is_locked`, has the file for a moment. Its end is waited for.
    """
    while not _try_lock(descriptor, fcntl.LOCK_EX):
        if not _try_lock(descriptor, fcntl.LOCK_SH):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        time.sleep(_LOOK_SECONDS)
    return True


def is_locked(descriptor: int) -> bool:
    """Return whether another process has locked a file; close it soon.

    If not, the file has a shared lock of ours until it is closed.
    """
    return not _try_lock(descriptor, fcntl.LOCK_SH)


def _try_lock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def hold_alone(path: Path) -> int | None:
    """Lock a file that has the id of its holder; return None if another process has locked it.

    End with `release`.

    Raises:
        OSError: the file cannot be opened, or is not private.
    """
    descriptor = open_private(path)
    if not take_lock(descriptor):
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def release(descriptor: int) -> None:
    """Release a lock of `hold_alone`. Its file no longer names us, even while our process ends."""
    os.ftruncate(descriptor, 0)
    os.close(descriptor)


def holder_of(path: Path) -> str | None:
    """Return the process id in a file that `hold_alone` has locked; None if it is not locked."""
    try:
        descriptor = open_to_read(path)
    except OSError:
        return None
    try:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
        return holder if is_locked(descriptor) else None
    finally:
        os.close(descriptor)
