"""The locks of running Codex processes on the threads that they write.

A process holds the lock `thread-writer-locks/THREAD.lock` as long as it has the thread open. We
only read the kernel's list of locks: an attempt to lock the file could keep Codex from its thread.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ...format import OpenSession
from ..fields import session_id_of

DIRECTORY = "thread-writer-locks"
_LOCKS = Path("/proc/locks")
"""It exists on Linux only; elsewhere, no thread is known to be open."""
_HELD = re.compile(r"\d+: FLOCK +ADVISORY +WRITE ([1-9]\d*) ([0-9a-f]+:[0-9a-f]+):(\d+) .*")
"""Such as `1: FLOCK  ADVISORY  WRITE 3865 fe:00:2187396 0 EOF`, with a process id, a device and an
inode. A process that waits for a lock has `->`, and a process of another namespace has the id 0."""


def open_sessions(directory: Path) -> Iterator[OpenSession]:
    """Yield the threads that running processes have open. The lock does not tell if one is idle."""
    try:
        entries = os.scandir(directory)
    except OSError:
        return
    with entries:
        held = _held()
        for entry in entries if held else ():
            for device, pid in held.get(entry.inode(), ()):
                thread = session_id_of(entry.name.removesuffix(".lock"))
                if thread and thread != entry.name and _device_of(entry) == device:
                    yield OpenSession(thread, f"codex, pid {pid}", is_idle=False)


def _device_of(entry: os.DirEntry[str]) -> str | None:
    """Return the device of a file, named as the kernel does; None if the file is gone."""
    try:
        device = entry.stat(follow_symlinks=False).st_dev
    except OSError:
        return None
    return f"{os.major(device):02x}:{os.minor(device):02x}"


def _held() -> dict[int, list[tuple[str, str]]]:
    """Return the device and the process id of each lock of our namespace, by the file's inode."""
    held: dict[int, list[tuple[str, str]]] = {}
    try:
        lines = _LOCKS.read_text().splitlines()
    except OSError:
        return held
    for match in filter(None, map(_HELD.fullmatch, lines)):
        held.setdefault(int(match[3]), []).append((match[2], match[1]))
    return held
