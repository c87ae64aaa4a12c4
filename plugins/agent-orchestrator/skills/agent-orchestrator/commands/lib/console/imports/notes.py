"""`ao-import --noted`: import the sessions that the hooks of the plugin have noted."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ...client.connection.connect import client_of
from ...client.connection.find_manager import find_manager
from ...config import Config
from ...history.importer.delivery.open_turns import OpenTurns
from ...history.importer.importer import Importer
from ...history.importer.notes import Notes
from ...history.importer.sources.report import Report
from ...history.importer.sources.state import State, open_state
from ...machine.clock import SYSTEM
from ...machine.environment import is_manager_given, run_token_for, state_dir
from ...session_client import SessionClientError
from ...shared.locks import hold_alone, holder_of, release
from ...shared.private_files import make_state_directory
from ..connect import url_of
from .report import TIMEOUT_SECONDS
from .watch import LOCK as WATCH_LOCK

LOCK = "notes.lock"
LOOK_SECONDS = 0.5


def import_notes(config: Config) -> None:
    """Import the noted sessions, until none of them has grown for a while.

    Without a manager that serves, the notes remain. If another process imports already, it takes
    the notes. The hook of a last note may have seen our lock, and so has started no import. So we
    look for new notes once more after its release.
    """
    found = None if is_manager_given() else find_manager()
    url = url_of(found, config)
    if run_token_for(url) is not None or (found is None and not is_manager_given()):
        return
    directory = make_state_directory(state_dir())
    with suppress(OSError):  # it has its own session already
        os.setsid()
    while _import_alone(url, directory) and Notes(directory).has_new and not _is_watched():
        pass


def _import_alone(url: str, directory: Path) -> bool:
    """Import until all is quiet; return False if another process does, or the manager fails."""
    lock = hold_alone(directory / LOCK)
    if lock is None:
        return False
    try:
        with (
            client_of(url, timeout_seconds=TIMEOUT_SECONDS) as manager,
            open_state(directory, manager.get_generation()) as state,
        ):
            turns = OpenTurns(manager, state, ())
            importer = Importer(manager, state, Report(), lambda _read: None, turns)
            _deliver(Notes(directory), importer, state, turns)
    except SessionClientError:
        return False
    finally:
        release(lock)
    return True


def _deliver(notes: Notes, importer: Importer, state: State, turns: OpenTurns) -> None:
    notes.deliver(importer, state, turns)
    while not notes.is_quiet and not _is_watched():
        SYSTEM.sleep(LOOK_SECONDS)
        notes.deliver(importer, state, turns)
        turns.keep()


def _is_watched() -> bool:
    return holder_of(state_dir() / WATCH_LOCK) is not None
