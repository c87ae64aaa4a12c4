"""Starts the manager of this state directory on this machine.

A manager locks its discovery file before it opens its port. If a program listens on our port and
the file is not locked, the program is not our manager. The error names the program, and no token is
sent to it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ...machine.environment import manager_environment, manager_port, search_path, state_dir
from ...session_client import _read_held
from ...shared import place
from ...shared.locks import take_lock
from ...shared.private_files import NotPrivateError, make_state_directory, open_private
from .find_manager import POLL_SECONDS, PROGRAM, WATCHDOG_SECONDS, Found, find_manager

PROBE_TIMEOUT_SECONDS = 2.0
MAX_LOG_BYTES = 10 * 1024 * 1024


class StartError(Exception):
    """The manager cannot be started; the text says why and what to do."""


def start_manager(on_started: Callable[[str], None]) -> Found:
    """Start the manager unless it is already starting, and return it once it serves.

    `on_started` gets a message about the process, if this call started it.

    Raises:
        StartError: the manager cannot be started.
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
    """A command that waits for the manager. Of several waiting commands, one starts it."""

    def __init__(self, lock: int, log: Path, on_started: Callable[[str], None]) -> None:
        self._lock = lock
        self._log = log
        self._on_started = on_started
        self._manager: subprocess.Popen[bytes] | None = None

    def wait(self) -> Found:
        deadline = time.monotonic() + WATCHDOG_SECONDS
        while True:
            # Checked first: a manager that is found afterwards counts, even if ours has ended.
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
                _refuse_elsewhere(held)  # otherwise it is starting or stopping
            elif has_ended:
                last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
                raise StartError(
                    f"the session manager did not start: {''.join(last)} (log: {self._log})"
                )
            elif self._manager is None and take_lock(self._lock) and not self._refuse_stranger():
                self._manager = _spawn(self._log)
            if time.monotonic() > deadline:
                raise StartError(
                    "a session manager has been starting or stopping for more than "
                    f"{WATCHDOG_SECONDS:.0f} s; its log is {self._log}"
                )
            time.sleep(POLL_SECONDS)

    def _refuse_stranger(self) -> bool:
        """Fail if another program has the port. Return True if a manager has just taken it."""
        port = manager_port()
        before = _identity(port)
        if port == 0 or not _is_port_taken(port):
            return False
        if _read_held(port) is not None or _identity(port) != before:
            return True  # a manager has just taken it
        raise StartError(
            f"port {port} is held by {_who_listens(port)}, which is not your session "
            f"manager; nothing was sent to it. Stop it, or serve on another port: {PROGRAM} serve "
            "--port 9000, with AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=http://127.0.0.1:9000"
        )


def _refuse_elsewhere(held: Found) -> None:
    if held.get("network", place.network()) != place.network():
        raise StartError(
            f"the session manager of {state_dir()} runs on {held.get('host')}, in another "
            "container or machine, and cannot be reached on a port of this machine. Set "
            "AGENT_ORCHESTRATOR_SESSION_MANAGER_URL to a URL that reaches it, or set "
            "AGENT_ORCHESTRATOR_STATE_DIR to another directory"
        )


def _spawn(log: Path) -> subprocess.Popen[bytes]:
    program = find_program()
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


def find_program() -> str:
    """Return the path of `agent-session-manager`.

    Raises:
        StartError: it is not installed.
    """
    beside = Path(sys.executable).with_name(PROGRAM)
    program = str(beside) if beside.exists() else shutil.which(PROGRAM, path=search_path())
    if program is None:
        raise StartError(
            f"no session manager answers at http://127.0.0.1:{manager_port()} and none is "
            "installed here. Install and start one with: pip install agent-orchestrator && "
            f"{PROGRAM} serve (or name one in AGENT_ORCHESTRATOR_SESSION_MANAGER_URL)"
        )
    return program


def _identity(port: int) -> tuple[int, ...] | None:
    """Return values that differ between a discovery file and the next manager's file."""
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
    except OSError:  # no answer, but the port is in use
        return True


def _who_listens(port: int) -> str:
    """Return the name of the program on the port, or a general phrase if we may not see it."""
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
