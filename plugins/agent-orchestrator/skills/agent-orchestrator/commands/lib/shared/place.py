"""Places: a process id or a port is valid only in one namespace of one boot."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@cache
def processes() -> str:
    """Return the place of our process ids."""
    return _namespace("pid")


@cache
def network() -> str:
    """Return the place of our ports."""
    return _namespace("net")


def boot_of(place: str) -> str:
    """Return the boot of a place. All containers on one boot share their locks."""
    return place.partition(" ")[0]


def host() -> str:
    """Return the name of this machine or container, for messages."""
    return socket.gethostname() or "unknown"


def start_of(pid: int) -> str | None:
    """Return the start time of a process here, in the system's own form; None if it is gone."""
    if sys.platform == "linux":
        try:
            # After the program's name, which may contain any byte. In ticks since the boot.
            after_name = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2]
            return after_name.split()[19].decode()
        except OSError:
            return None
    import psutil

    try:
        return str(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def terminate(pid: int, is_still_meant: Callable[[], bool]) -> None:
    """Send SIGTERM to a process, unless its process id was reused.

    On Linux, `is_still_meant` is called when the process id can no longer change its process. Some
    builds of Python, kernels and sandboxes do not offer that. There, as on other systems, the
    signal follows the call at once.
    """
    with suppress(ProcessLookupError):  # it has ended, or is just ending
        if not _terminate_safely(pid, is_still_meant) and is_still_meant():
            os.kill(pid, signal.SIGTERM)


def _terminate_safely(pid: int, is_still_meant: Callable[[], bool]) -> bool:
    """Send SIGTERM over a descriptor of the process; return False if that is not possible."""
    if sys.platform != "linux":
        return False
    try:
        process = os.pidfd_open(pid)
        try:
            if is_still_meant():
                signal.pidfd_send_signal(process, signal.SIGTERM)
        finally:
            os.close(process)
    except ProcessLookupError:
        raise
    except (AttributeError, OSError):
        return False
    return True


def _namespace(kind: str) -> str:
    """Return the boot and our namespace of one kind; empty on systems without namespaces.

    `session_client.py` has a copy, as it may import none of our modules.
    """
    try:
        return f"{_BOOT.read_text().strip()} {Path(f'/proc/self/ns/{kind}').readlink()}"
    except OSError:
        return ""
