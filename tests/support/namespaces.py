"""Linux namespaces that a forked process enters; `own_disk.py` enters one for a program.

A forked process has one thread, as the kernel demands. `prepare` of a manager can call these.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

_NEW_MOUNTS = 0x00020000
_NEW_USERS = 0x10000000


@cache
def _is_permitted(command: tuple[str, ...]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    except FileNotFoundError:
        return False


def require_own_disk() -> None:
    """Skip the test if this machine cannot mount a disk for one process."""
    mount = ("mount", "-t", "tmpfs", "tmpfs", "/tmp")
    if not _is_permitted(("unshare", "--map-root-user", "--mount", *mount)):
        pytest.skip("this machine cannot mount a disk for the test")


def require_another_user() -> None:
    """Skip the test if this machine allows no user namespaces."""
    if not _is_permitted(("unshare", "--map-user=1000", "true")):
        pytest.skip("this machine does not allow user namespaces")


def mount_own_disk(directory: Path, options: str) -> None:
    """Mount a tmpfs with these options at a directory; only this process and its children see it.

    The mount disappears with them.
    """
    group = os.getegid()
    _become(0, _NEW_USERS | _NEW_MOUNTS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    options = f"mode=700,{options}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)], check=True)


def become_another_user() -> None:
    """Lose root's right to write everywhere; the files of root are this user's own."""
    _become(1000, _NEW_USERS)


def _become(user: int, flags: int) -> None:
    before = os.geteuid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare failed")
    Path("/proc/self/uid_map").write_text(f"{user} {before} 1")
