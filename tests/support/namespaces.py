"""Linux namespaces that a forked process enters; `own_disk.py` enters one for a program.

A forked process has one thread, as the kernel demands. `prepare` of a manager can call these.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

from tests.support.own_disk import mount, on_own_disk
from tests.support.waiting import WATCHDOG_SECONDS

_NEW_MOUNTS = 0x00020000
_NEW_USERS = 0x10000000


def on_required_disk(directory: Path, options: str, command: Sequence[str]) -> list[str]:
    """Return what `on_own_disk` returns; skip the test if this machine does not permit it."""
    line = on_own_disk(directory, options, command)
    if line is None:
        _skip("this machine cannot mount a disk for the test")
    return line


@cache
def require_own_disk() -> None:
    """Skip the test if this machine cannot mount a disk for one process."""
    on_required_disk(Path("/tmp"), "size=4k", ["true"])


def require_another_user() -> None:
    """Skip the test if this machine allows no user namespaces."""
    unshare = shutil.which("unshare")
    probe = [str(unshare), "--map-user=1000", "true"]
    if unshare is None or subprocess.run(probe, timeout=WATCHDOG_SECONDS, check=False).returncode:
        _skip("this machine does not allow user namespaces")


def _skip(reason: str) -> NoReturn:
    import pytest  # here, as forked processes import this module and skip nothing

    pytest.skip(reason)


def mount_own_disk(directory: Path, options: str) -> None:
    """Mount a tmpfs with these options at a directory; only this process and its children see it.

    The mount disappears with them.
    """
    group = os.getegid()
    _become(0, _NEW_USERS | _NEW_MOUNTS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    mount(str(directory), options)


def become_another_user() -> None:
    """Lose root's right to write everywhere; the files of root are this user's own."""
    _become(1000, _NEW_USERS)


def _become(user: int, flags: int) -> None:
    before = os.geteuid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare failed")
    Path("/proc/self/uid_map").write_text(f"{user} {before} 1")
