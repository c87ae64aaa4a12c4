"""The locks of running Codex processes on the threads that they write.

A process holds the lock `thread-writer-locks/THREAD.lock` as long as it has the thread open. We
only read the kernel's list of locks: an attempt to lock the file could keep Codex from its thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ...format import OpenSession
from ..fields import session_id_of

DIRECTORY = "thread-writer-locks"
_LOCKS = Path("/proc/locks")
"""It exists on Linux only; elsewhere, no thread is known to be open."""


def open_sessions(directory: Path) -> Iterator[OpenSession]:
    """Yield the threads that running processes have open. The lock does not tell if one is idle."""
    threads = dict(_files_in(directory))
    if threads:
        for pid, file in _held():
            if file in threads:
                yield OpenSession(threads[file], f"codex, pid {pid}", is_idle=False)


def _files_in(directory: Path) -> Iterator[tuple[str, str]]:
    """Yield the lock files, named as the kernel does, with their threads."""
    for path in directory.glob("*.lock"):
        try:
            status = path.lstat()
        except OSError:
            continue
        if thread := session_id_of(path.stem):
            device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
            yield f"{device}:{status.st_ino}", thread


def _held() -> Iterator[tuple[str, str]]:
    """Yield the process id and the file of each lock that a process in our namespace holds."""
    try:
        lines = _LOCKS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        # Such as `1: FLOCK ADVISORY WRITE 3865 fe:00:2187396 0 EOF`; `->` is a process that waits.
        _, kind, *rest = line.split()
        if kind != "->" and len(rest) > 3 and int(rest[2]) > 0:
            yield rest[2], rest[3]
