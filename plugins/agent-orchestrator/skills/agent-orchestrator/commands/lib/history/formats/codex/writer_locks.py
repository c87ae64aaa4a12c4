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
        pids = _pids_of_locks(directory)
        for entry in entries if pids else ():
            thread = entry.inode() in pids and session_id_of(entry.name.removesuffix(".lock"))
            if thread and thread != entry.name:
                yield OpenSession(thread, f"codex, pid {pids[entry.inode()]}", is_idle=False)


def _pids_of_locks(directory: Path) -> dict[int, str]:
    """Return the process id of each held lock on the file system of a directory, by its inode."""
    try:
        device = _device_of(directory)
        found = map(_HELD.fullmatch, _LOCKS.read_text().splitlines())
    except (OSError, StopIteration):
        return {}
    return {int(each[3]): each[1] for each in found if each and each[2] == device}


def _device_of(directory: Path) -> str:
    """Return the device of the file system, as the kernel names it in its lists.

    On Btrfs, and in some containers, `stat` names another one.
    """
    opened = os.open(directory, os.O_RDONLY)
    try:
        information = Path(f"/proc/self/fdinfo/{opened}").read_text().splitlines()
    finally:
        os.close(opened)
    mount = next(line.split()[1] for line in information if line.startswith("mnt_id:"))
    mounts = map(str.split, Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines())
    major, minor = next(fields[2] for fields in mounts if fields[0] == mount).split(":")
    return f"{int(major):02x}:{int(minor):02x}"
