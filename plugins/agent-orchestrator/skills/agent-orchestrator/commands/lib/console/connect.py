"""Connecting to the manager: the configured one, or this machine's own.

A manager that is configured by its URL is never started from here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import click
import httpx

from .. import __version__
from ..client.connection.connect import client_of
from ..client.connection.find_manager import (
    POLL_SECONDS,
    PROGRAM,
    WATCHDOG_SECONDS,
    Found,
    find_manager,
)
from ..client.manager import ManagerClient
from ..client.patient_client import PATIENCE_SECONDS
from ..config import Config
from ..machine.environment import (
    is_manager_given,
    manager_port,
    outbox_dir,
    run_token_for,
    state_dir,
)
from ..session_client import SessionClientError
from ..shared.locks import is_locked
from ..shared.private_files import open_to_read
from .command import CommandError
from .terminal.output import note, once


def open_manager(
    config: Config, *, for_people: bool = False, timeout_seconds: float = PATIENCE_SECONDS
) -> ManagerClient:
    """Return a client of the configured manager, or of the default one, started if necessary.

    `timeout_seconds` is the timeout of each request, also while the manager is looked for. After
    five seconds without an answer, the person gets a note.

    Raises:
        CommandError: no manager serves and none can be started; or this is inside a run and the
            command is only `for_people`.
    """
    found = None if is_manager_given() else find_manager()
    if for_people and run_token_for(url_of(found, config)) is not None:
        raise CommandError(
            "not allowed inside a run: a run can only start sessions, and read, message, resume "
            "and stop those that it started; ask the person to do this in a shell outside the run"
        )
    if is_manager_given():
        manager = client_of(config.session_manager_url, timeout_seconds=timeout_seconds)
        manager.on_silence = _note_of_silence(manager.base_url)
    else:
        manager = _open_own(found, config, timeout_seconds)
    if not manager.is_of_a_run and any(map(_is_left_over, outbox_dir(state_dir()).glob("*.lock"))):
        from ..runs.delivery import deliver_leftovers

        deliver_leftovers(manager, outbox_dir(state_dir()))
    return manager


def _open_own(found: Found | None, config: Config, timeout_seconds: float) -> ManagerClient:
    """Return a client of this machine's manager once it answers; wait while another one ends."""
    deadline = time.monotonic() + WATCHDOG_SECONDS
    while True:
        found = found or _start()
        manager = client_of(url_of(found, config), timeout_seconds=timeout_seconds)
        manager.on_silence = _note_of_silence(manager.base_url)
        try:
            with client_of(manager.base_url) as probe:
                health = probe.get_health()
        except SessionClientError as exc:
            if isinstance(exc.__cause__, httpx.TimeoutException):
                return manager  # it is busy, but may still answer the command
        else:
            if health.get("instance") == found.get("instance"):
                _note_version(str(health.get("version")))
                return manager
        manager.close()
        if time.monotonic() > deadline:
            raise CommandError(
                f"the session manager (process {found.get('pid')}) is running but does not "
                f"answer at {found.get('url')}; see its log: {PROGRAM} logs"
            )
        time.sleep(POLL_SECONDS)
        found = find_manager()


def _note_of_silence(url: str) -> Callable[[], None]:
    """Return a function for another thread that notes once that the manager is silent."""
    context = click.get_current_context()

    def tell() -> None:
        with context.scope(cleanup=False):
            note(f"waiting for an answer of the session manager at {url}")

    return once(tell)


def _start() -> Found:
    # Late: most commands find a manager that serves.
    from ..client.connection.start_manager import StartError, start_manager

    try:
        return start_manager(note)
    except StartError as exc:
        raise CommandError(str(exc)) from exc


def url_of(found: Found | None, config: Config) -> str:
    """Return the URL of the manager that was found or would be started.

    Return the configured URL if it has the same port.
    """
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
    """Return whether no process holds this outbox; here, as delivery is slow to import."""
    try:
        descriptor = open_to_read(lock)
    except OSError:  # it has just been removed, or is not our file
        return False
    try:
        return not is_locked(descriptor)
    finally:
        os.close(descriptor)
