"""Locks of processes on open files. The kernel releases a lock when its holder ends."""

from __future__ import annotations

import fcntl


def take_lock(descriptor: int) -> bool:
    """Lock a file until it is closed; return False if another process has locked it."""
    return _try_lock(descriptor, fcntl.LOCK_EX)


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
