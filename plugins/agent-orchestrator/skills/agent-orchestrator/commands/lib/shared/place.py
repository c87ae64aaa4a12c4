"""Where a number means something: a process id and a port are of one namespace of one boot."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@cache
def processes() -> str:
    """Return what names the process ids that mean something here."""
    return _namespace("pid")


@cache
def network() -> str:
    """Return what names the ports that lead somewhere from here."""
    return _namespace("net")


def boot_of(place: str) -> str:
    """Return the boot that a place is of; on one boot all containers share their locks."""
    return place.partition(" ")[0]


def host() -> str:
    """Return this machine's or container's name, to tell people where something is."""
    return socket.gethostname() or "unknown"


def start_of(pid: int) -> str | None:
    """Return when a process of this place started, in the system's own form; None: it is gone."""
    if sys.platform == "linux":
        try:
            # Behind the program's name, which may have anything in it. The boot's clock counts.
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        except OSError:
            return None
    import psutil

    try:
        return str(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


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


def _namespace(kind: str) -> str:
    """Return this boot and our namespace of one kind; empty on systems that have none.

    `session_client.py`, which may import none of ours, has a copy.
    """
    try:
        return f"{_BOOT.read_text().strip()} {Path(f'/proc/self/ns/{kind}').readlink()}"
    except OSError:
        return ""
