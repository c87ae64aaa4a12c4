"""The lock that makes one process the owner of a SQLite file."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import ExitStack
from pathlib import Path

from agent_session_manager.sql.database.errors import DatabaseError, DatabaseInUseError
from agent_session_manager.sql.database.owner import read_owner, write_owner
from agent_shared.private_files import NotPrivateError, open_private

_NAMED_SECONDS = 60.0
"""A watchdog: from its lock to its name in it an owner does nothing else."""
_UNNAMED = "a process that has not said which it is"
_LOOK_EVERY_SECONDS = 0.005


def owned(path: Path) -> ExitStack:
    """Hold the lock beside the file that makes us its one owner.

    Raises:
        DatabaseInUseError: another process is.
        DatabaseError: what is there under the name of the lock is not a private file.
        OSError: it cannot be opened.
    """
    lock_path = path.with_name(path.name + ".lock")
    stack = ExitStack()
    try:
        descriptor = open_private(lock_path)
    except NotPrivateError as exc:
        raise DatabaseError(str(exc)) from exc
    stack.callback(os.close, descriptor)
    deadline = time.monotonic() + _NAMED_SECONDS
    while not _lock(descriptor):
        owner = read_owner(descriptor)
        # What stands there may still be the name of an owner that was killed.
        is_known = owner is not None and (owner.is_alive or owner.is_elsewhere)
        if is_known or time.monotonic() > deadline:
            stack.close()
            raise DatabaseInUseError(path, str(owner) if is_known else _UNNAMED)
        time.sleep(_LOOK_EVERY_SECONDS)
    os.ftruncate(descriptor, 0)
    write_owner(descriptor)
    stack.callback(os.ftruncate, descriptor, 0)
    return stack


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
