"""The files of an outbox: its database, and the lock file that identifies it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from ..shared.locks import take_lock
from ..shared.private_files import (
    check_private,
    create_locked,
    make_private_directory,
    open_private,
)


def list_outboxes(directory: Path) -> list[Path]:
    """List the outboxes of a directory, held or not."""
    locks = sorted(directory.glob("*.lock")) if directory.is_dir() else []
    return [lock.with_suffix(".db") for lock in locks]


def lock_path(path: Path) -> Path:
    return path.with_suffix(".lock")


def hold(path: Path, *, create: bool) -> int:
    """Lock an outbox, until the returned descriptor is closed."""
    lock = lock_path(path)
    if create and not os.path.lexists(lock):
        make_private_directory(path.parent)
        return create_locked(lock)  # no other process can lock it first
    descriptor = open_private(lock, create=False)
    try:
        if not take_lock(descriptor):
            raise BlockingIOError
        # The process that removed an empty outbox removed this file too: the lock is void.
        if os.fstat(descriptor).st_nlink == 0:
            raise FileNotFoundError(2, "it has just been removed")
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """Open the database of an outbox that we have locked, and create its tables."""
    os.close(open_private(path))
    for suffix in ("-wal", "-shm"):
        check_private(Path(f"{path}{suffix}"))
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            database.execute(f"PRAGMA {pragma}").close()
        database.executescript(schema)
    except sqlite3.Error:
        database.close()
        raise
    return database
