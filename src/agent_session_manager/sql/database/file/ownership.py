"""The lock that makes one process the owner of a SQLite file."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path

from agent_session_manager.sql.database.errors import DatabaseError, DatabaseInUseError
from agent_session_manager.sql.database.file.owner import read_owner, write_owner
from agent_shared.locks import take_lock
from agent_shared.private_files import NotPrivateError, open_private

_NAMED_SECONDS = 60.0
"""Timeout for the owner's name: an owner writes it right after it has taken the lock."""
_UNNAMED = "an unidentified process"
_LOOK_EVERY_SECONDS = 0.005


def owned(path: Path) -> ExitStack:
    """Take the lock that makes this process the only owner of the file.

    Raises:
        DatabaseInUseError: another process owns the file.
        DatabaseError: the lock file is not a private file.
        OSError: the lock file cannot be opened.
    """
    lock_path = path.with_name(path.name + ".lock")
    stack = ExitStack()
    try:
        descriptor = open_private(lock_path)
    except NotPrivateError as exc:
        raise DatabaseError(str(exc)) from exc
    stack.callback(os.close, descriptor)
    deadline = time.monotonic() + _NAMED_SECONDS
    while not take_lock(descriptor):
        owner = read_owner(descriptor)
        # The lock file may still name an owner that was killed.
        is_known = owner is not None and (owner.is_alive or owner.is_elsewhere)
        if is_known or time.monotonic() > deadline:
            stack.close()
            raise DatabaseInUseError(path, str(owner) if is_known else _UNNAMED)
        time.sleep(_LOOK_EVERY_SECONDS)
    os.ftruncate(descriptor, 0)
    write_owner(descriptor)
    stack.callback(os.ftruncate, descriptor, 0)
    return stack
