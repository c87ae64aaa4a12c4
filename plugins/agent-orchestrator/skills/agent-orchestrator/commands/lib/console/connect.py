"""Reaching the manager: the one that is configured, or this machine's own.

A configured URL is somebody's own manager and is never started from here.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import httpx

from .. import __version__
from ..client.connect import client_of
from ..client.manager import ManagerClient
from ..client.start_manager import (
    POLL_SECONDS,
    PROGRAM,
    WATCHDOG_SECONDS,
    Found,
    StartError,
    find_manager,
    start_manager,
)
from ..config import Config
from ..machine.environment import (
    is_manager_given,
    manager_port,
    outbox_dir,
    run_token_for,
    state_dir,
)
from ..session_client import SessionClientError
from ..shared.private_files import open_to_read
from .command import CommandError
from .output import note


def open_manager(config: Config, *, for_people: bool = False) -> ManagerClient:
    """A client of the manager that is configured, or of the default one, started if need be.

    Raises:
        CommandError: there is none and none can be started; or we are inside a run, and what is
            wanted is `for_people`.
    """
    found = None if is_manager_given() else find_manager()
    if for_people and run_token_for(url_of(found, config)) is not None:
        raise CommandError(
            "not from inside a run, which starts sessions and reads those that it has started: "
            "ask the person, who can do this in a shell of their own"
        )
    if is_manager_given():
        manager = client_of(config.session_manager_url)
    else:
        manager = _open_own(found, config)
    if not manager.is_of_a_run and any(map(_is_left_over, outbox_dir(state_dir()).glob("*.lock"))):
        from ..runs.delivery import deliver_leftovers

        deliver_leftovers(manager, outbox_dir(state_dir()))
    return manager


def _open_own(found: Found | None, config: Config) -> ManagerClient:
    """A client of this machine's manager, once that answers: one that is ending is waited for."""
    deadline = time.monotonic() + WATCHDOG_SECONDS
    while True:
        try:
            found = found or start_manager(note)
        except StartError as exc:
            raise CommandError(str(exc)) from exc
        manager = client_of(url_of(found, config))
        try:
            health = manager.get_health()
        except SessionClientError as exc:
            if isinstance(exc.__cause__, httpx.TimeoutException):
                return manager  # it is there, and whatever is asked of it may be answered
        else:
            if health.get("instance") == found.get("instance"):
                _note_version(str(health.get("version")))
                return manager
        manager.close()
        if time.monotonic() > deadline:
            raise CommandError(
                f"the session manager (process {found.get('pid')}) holds its place and does not "
                f"answer at {found.get('url')}; see its log: {PROGRAM} logs"
            )
        time.sleep(POLL_SECONDS)
        found = find_manager()


def url_of(found: Found | None, config: Config) -> str:
    """Where a manager was found or would be started, by the configured name if that leads there."""
    default = config.session_manager_url
    if is_manager_given():
        return default
    url = f"http://127.0.0.1:{manager_port()}" if found is None else str(found["url"])
    return default if url.rpartition(":")[2] == default.rpartition(":")[2] else url


def _note_version(version: str) -> None:
    if version != __version__:
        note(
            f"the manager is version {version} and this command {__version__}: "
            f"restart it with: {PROGRAM} stop"
        )


def _is_left_over(lock: Path) -> bool:
    """Whether nobody holds this outbox any more; asked here, as delivery is slow to import."""
    try:
        descriptor = open_to_read(lock)
    except OSError:  # it was removed meanwhile, or is not a file of ours
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
