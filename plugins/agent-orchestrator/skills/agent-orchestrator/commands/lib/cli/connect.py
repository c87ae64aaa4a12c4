"""Reaching the manager, and starting one where none is: the default one, on this machine.

A configured URL is somebody's own manager and is never started from here. Whoever listens on our
port without holding the lock on the discovery file is a stranger: it is named, and told nothing.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import __version__
from ..config import Config
from ..environment import (
    is_manager_given,
    manager_environment,
    outbox_dir,
    run_token_for,
    search_path,
    state_dir,
)
from ..manager_client import ManagerClient
from ..private_files import NotPrivateError, make_state_directory, open_private
from ..session_client import _discover
from .command import CommandError
from .output import note

PROGRAM = "agent-session-manager"
DEFAULT_PORT = 8765
START_TIMEOUT_SECONDS = 30.0
PROBE_TIMEOUT_SECONDS = 2.0
MAX_LOG_BYTES = 10 * 1024 * 1024
_POLL_SECONDS = 0.05


def client_of(url: str, *, run_token: str | None = None) -> ManagerClient:
    """A client of this manager: of the run whose token is given, else of the one that we are in.

    Outside of all runs it is the person's own.
    """
    token = run_token or run_token_for(url)
    return ManagerClient(url, run_token=token, is_configured=is_manager_given())


def open_manager(config: Config, *, for_people: bool = False) -> ManagerClient:
    """A client of the manager that is configured, or of the default one, started if need be.

    Raises:
        CommandError: there is none and none can be started; or we are inside a run, and what is
            wanted is `for_people`.
    """
    if for_people and run_token_for(config.session_manager_url) is not None:
        raise CommandError(
            "not from inside a run, which starts sessions and reads those that it has started: "
            "ask the person, who can do this in a shell of their own"
        )
    if not is_manager_given():
        found = _discover(DEFAULT_PORT) or _start_once()
        if found.get("version") != __version__:
            note(
                f"the manager is version {found.get('version')} and this command {__version__}: "
                f"restart it with: {PROGRAM} stop"
            )
    manager = client_of(config.session_manager_url)
    if not manager.is_of_a_run and any(map(_is_left_over, outbox_dir(state_dir()).glob("*.lock"))):
        from ..delivery import deliver_leftovers

        deliver_leftovers(manager, outbox_dir(state_dir()))
    return manager


def _is_left_over(lock: Path) -> bool:
    """Whether nobody holds this outbox any more; asked here, as delivery is slow to import."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # it was removed meanwhile
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _start_once() -> dict[str, object]:
    """Start the manager, unless another command is doing so; then wait for that one."""
    state = state_dir()
    try:
        make_state_directory(state)
        with _alone(state / "start.lock"):
            return _discover(DEFAULT_PORT) or _start(state / f"manager-{DEFAULT_PORT}.log")
    except NotPrivateError as exc:
        raise CommandError(f"{exc.filename}: {exc.strerror}") from exc
    except OSError as exc:
        raise CommandError(f"cannot use the state directory {state}: {exc.strerror}") from exc


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    descriptor = open_private(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _start(log: Path) -> dict[str, object]:
    if _is_port_taken():
        return _recognise()
    program = _find_program()
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    descriptor = open_private(log, append=True)
    try:
        manager = subprocess.Popen(
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
    found = _wait_for(manager, log)
    note(f"started a session manager (process {found['pid']}); its log is {log}")
    return found


def _recognise() -> dict[str, object]:
    """The manager on the port, if it is one that is only just starting."""
    deadline = time.monotonic() + PROBE_TIMEOUT_SECONDS
    while (found := _discover(DEFAULT_PORT)) is None:
        if time.monotonic() > deadline:
            raise CommandError(
                f"port {DEFAULT_PORT} is held by {_who_listens()}, which is not your session "
                f"manager and is told nothing. Stop it, or run yours elsewhere: {PROGRAM} serve "
                "--port 9000, with AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=http://127.0.0.1:9000"
            )
        time.sleep(_POLL_SECONDS)
    return found


def _wait_for(manager: subprocess.Popen[bytes], log: Path) -> dict[str, object]:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while (found := _discover(DEFAULT_PORT)) is None:
        if manager.poll() is not None:
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise CommandError(f"the session manager did not start: {''.join(last)} (log: {log})")
        if time.monotonic() > deadline:
            raise CommandError(f"the session manager is not up yet; its log is {log}")
        time.sleep(_POLL_SECONDS)
    return found


def _find_program() -> str:
    beside = Path(sys.executable).with_name(PROGRAM)
    program = str(beside) if beside.exists() else shutil.which(PROGRAM, path=search_path())
    if program is None:
        raise CommandError(
            f"no session manager answers at http://127.0.0.1:{DEFAULT_PORT} and none is installed "
            f"here. Install and start one with: pip install agent-orchestrator && {PROGRAM} serve "
            "(or name one in AGENT_ORCHESTRATOR_SESSION_MANAGER_URL)"
        )
    return program


def _is_port_taken() -> bool:
    try:
        with socket.create_connection(("127.0.0.1", DEFAULT_PORT), PROBE_TIMEOUT_SECONDS):
            return True
    except ConnectionRefusedError:
        return False
    except OSError:  # it does not answer, but it is there
        return True


def _who_listens() -> str:
    """The program on the port, as far as this user may know it."""
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or connection.pid is None:
                continue
            if connection.laddr and connection.laddr.port == DEFAULT_PORT:
                name = psutil.Process(connection.pid).name()
                return f"{name!r} (process {connection.pid})"
    except psutil.Error:
        pass
    return "another program"
