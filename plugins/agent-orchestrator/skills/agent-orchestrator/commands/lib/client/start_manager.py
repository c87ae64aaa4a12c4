"""Finding the manager that serves this state directory here, and starting it where none does.

A manager takes its discovery file before its port. So whoever listens on our port while nobody
holds the file is a stranger: it is named, and told nothing.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..machine.environment import (
    manager_database,
    manager_environment,
    manager_port,
    search_path,
    state_dir,
)
from ..session_client import _discover, _read_held
from ..shared import place
from ..shared.private_files import NotPrivateError, make_state_directory, open_private
from ..shared.sqlite_url import path_in

PROGRAM = "agent-session-manager"
WATCHDOG_SECONDS = 60.0
"""Longer than a manager takes to start or stop on the busiest machine."""
PROBE_TIMEOUT_SECONDS = 2.0
MAX_LOG_BYTES = 10 * 1024 * 1024
POLL_SECONDS = 0.05

Found = dict[str, Any]
"""What a discovery file says."""


class StartError(Exception):
    """The manager cannot be started; the text says why and what to do."""


def find_manager() -> Found | None:
    """Return the manager that serves here: on the default port, or our record on another."""
    found = _discover(manager_port())
    if found is not None:
        return found
    for path in sorted(state_dir().glob("manager-*.json")):
        port = path.stem.removeprefix("manager-")
        found = _discover(int(port)) if port.isdecimal() else None
        if found is not None and _is_same_database(str(found.get("database"))):
            return found
    return None


def start_manager(on_started: Callable[[str], None]) -> Found:
    """Start the manager, unless it is being started already, and return it once it serves.

    `on_started` is told which process it is, if it was started here.

    Raises:
        StartError: it cannot be started.
    """
    state = state_dir()
    try:
        make_state_directory(state)
        lock = open_private(state / "start.lock")
        try:
            return _Start(lock, state / f"manager-{manager_port()}.log", on_started).wait()
        finally:
            os.close(lock)
    except NotPrivateError as exc:
        raise StartError(str(exc)) from exc
    except OSError as exc:
        raise StartError(f"cannot use the state directory {state}: {exc.strerror}") from exc


class _Start:
    """One command that waits for the manager; of all that do, one starts it."""

    def __init__(self, lock: int, log: Path, on_started: Callable[[str], None]) -> None:
        self._lock = lock
        self._log = log
        self._on_started = on_started
        self._manager: subprocess.Popen[bytes] | None = None

    def wait(self) -> Found:
        deadline = time.monotonic() + WATCHDOG_SECONDS
        while True:
            # Looked at first: what is found afterwards counts, whoever has brought it about.
            has_ended = self._manager is not None and self._manager.poll() is not None
            found = find_manager()
            if found is not None:
                if self._manager is not None and found["pid"] == self._manager.pid:
                    self._on_started(
                        f"started a session manager (process {found['pid']}); "
                        f"its log is {self._log}"
                    )
                return found
            held = _read_held(manager_port())
            if held is not None:
                _refuse_elsewhere(held)  # else it is about to serve, or to end
            elif has_ended:
                last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
                raise StartError(
                    f"the session manager did not start: {''.join(last)} (log: {self._log})"
                )
            elif self._manager is None and _lock(self._lock) and not self._refuse_stranger():
                self._manager = _spawn(self._log)
            if time.monotonic() > deadline:
                raise StartError(
                    f"no session manager serves after {WATCHDOG_SECONDS:.0f} s of waiting for one "
                    f"that is starting or stopping; its log is {self._log}"
                )
            time.sleep(POLL_SECONDS)

    def _refuse_stranger(self) -> bool:
        """Refuse to start where another program has the port; True: look again."""
        port = manager_port()
        before = _identity(port)
        if port == 0 or not _is_port_taken(port):
            return False
        if _read_held(port) is not None or _identity(port) != before:
            return True  # a manager took it this moment
        raise StartError(
            f"port {port} is held by {_who_listens(port)}, which is not your session "
            f"manager and is told nothing. Stop it, or run yours elsewhere: {PROGRAM} serve "
            "--port 9000, with AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=http://127.0.0.1:9000"
        )


def _refuse_elsewhere(held: Found) -> None:
    if held.get("network", place.network()) != place.network():
        raise StartError(
            f"the session manager of {state_dir()} runs on {held.get('host')}, in another "
            "container or machine, and its port is not one of this machine's. Name a URL that "
            "leads there in AGENT_ORCHESTRATOR_SESSION_MANAGER_URL, or use a state directory of "
            "your own: AGENT_ORCHESTRATOR_STATE_DIR"
        )


def _spawn(log: Path) -> subprocess.Popen[bytes]:
    program = _find_program()
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    descriptor = open_private(log, append=True)
    try:
        return subprocess.Popen(
            [program, "serve"],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd="/",
            env=manager_environment(),
            start_new_session=True,
            close_fds=True,
        )
    finally:
        os.close(descriptor)


def _find_program() -> str:
    beside = Path(sys.executable).with_name(PROGRAM)
    program = str(beside) if beside.exists() else shutil.which(PROGRAM, path=search_path())
    if program is None:
        raise StartError(
            f"no session manager answers at http://127.0.0.1:{manager_port()} and none is "
            "installed here. Install and start one with: pip install agent-orchestrator && "
            f"{PROGRAM} serve (or name one in AGENT_ORCHESTRATOR_SESSION_MANAGER_URL)"
        )
    return program


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_same_database(shown: str) -> bool:
    own = manager_database()
    its_file, own_file = path_in(shown), path_in(own)
    if its_file is None or own_file is None:
        return shown == own
    try:
        return its_file.samefile(own_file)
    except OSError:  # one of them is not there (yet)
        return its_file == own_file


def _identity(port: int) -> tuple[int, ...] | None:
    """Return what tells a discovery file from the one that the next manager puts in its place."""
    try:
        status = (state_dir() / f"manager-{port}.json").lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns


def _is_port_taken(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), PROBE_TIMEOUT_SECONDS):
            return True
    except ConnectionRefusedError:
        return False
    except OSError:  # it does not answer, but it is there
        return True


def _who_listens(port: int) -> str:
    """Name the program on the port, as far as this user may know it."""
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or connection.pid is None:
                continue
            if connection.laddr and connection.laddr.port == port:
                name = psutil.Process(connection.pid).name()
                return f"{name!r} (process {connection.pid})"
    except psutil.Error:
        pass
    return "another program"
