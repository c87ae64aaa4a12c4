"""The registry in which each running Claude Code says what it does: `sessions/PID.json`.

A file remains after a crash, and a process id is used again. So a file counts only if the process
with its id is the one that wrote it: on this machine, in our namespace of process ids, with the
same start.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ....shared.place import start_of
from ...format import OpenSession
from ...items import BrokenRecordError
from ..fields import Fields, fields_of, parse_json, session_id_of, text_of
from ..files import is_inside

DIRECTORY = "sessions"
_MAX_BYTES = 64 * 1024
_DRIVEN = "sdk-py"
"""Entrypoint of a process that the Agent SDK for Python has started."""
_AT_WORK = ("busy", "waiting", "shell")
"""Status of a process that works on a turn, or waits for a permission. It is set just before the
first line of a turn is written, and replaced by `idle` just before the last one."""


def open_sessions(directory: Path) -> Iterator[OpenSession]:
    """Yield the sessions that running processes have open; the status of each tells if it works."""
    for path in _files_of_processes(directory):
        found = _read(path, directory)
        session_id, status = session_id_of(found.get("sessionId")), text_of(found.get("status"))
        if session_id and status and _is_alive(path.stem, found):
            yield OpenSession(
                session_id,
                f"claude, pid {path.stem}",
                is_idle=status not in _AT_WORK,
                is_driven=found.get("entrypoint") == _DRIVEN,
            )


def _files_of_processes(directory: Path) -> list[Path]:
    """Return the files that are named after a process. Of the others, there may be very many."""
    try:
        names = {entry.name for entry in os.scandir(directory) if entry.name.endswith(".json")}
    except OSError:
        return []
    if not names:
        return []
    import psutil  # late: it takes long to load

    return [directory / name for pid in psutil.pids() if (name := f"{pid}.json") in names]


def _read(path: Path, directory: Path) -> Fields:
    """Return the content of a file; nothing if it is unreadable, or is just being written."""
    try:
        if not is_inside(path, directory):
            return {}
        with path.open("rb") as file:
            return fields_of(parse_json(file.read(_MAX_BYTES)))
    except (OSError, BrokenRecordError):
        return {}


def _is_alive(pid: str, found: Fields) -> bool:
    began = found.get("startedAt")
    return (
        found.get("pidDomain") == _our_domain()
        and isinstance(began, int)
        and began >= 1000 * _boot_time()
        and text_of(found.get("procStart")) == _start_text(int(pid))
        and not _has_ended(int(pid))
    )


def _start_text(pid: int) -> str | None:
    """Return the start of a process as Claude Code writes it; None if there is no such process."""
    start = start_of(pid)
    return start if start is None or sys.platform == "linux" else local_start(float(start))


def _has_ended(pid: int) -> bool:
    import psutil

    from ....machine.processes import has_ended

    try:
        return has_ended(psutil.Process(pid))
    except psutil.Error:
        return True


def local_start(seconds: float) -> str:
    """Return a start as `ps -o lstart=` prints it in UTC."""
    return time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(seconds))


@cache
def _our_domain() -> str:
    """Return the machine and the namespace of our process ids, as Claude Code writes them."""
    if sys.platform != "linux":
        return "linux"  # on every other system too
    try:
        machine = Path("/etc/machine-id").read_text().strip()
    except OSError:
        machine = ""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"linux:{machine}:{namespace}"


def _boot_time() -> float:
    """Return the time of the boot by the clock as it is now: the clock may have been set since."""
    import psutil

    return psutil.boot_time()
