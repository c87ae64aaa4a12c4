"""Errors of the database: it is unavailable, its disk is full, or its disk failed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from agent_session_manager.domain.errors import (
    DiskFullError,
    OrchestratorError,
    StoreUnavailableError,
)

_PRIMARY = 0xFF
"""Mask for the primary result code in an extended result code of SQLite."""
_SHARED_MEMORY = frozenset(
    {
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMSIZE,
        sqlite3.SQLITE_IOERR_SHMLOCK,
        sqlite3.SQLITE_IOERR_SHMMAP,
    }
)
"""Errors of the WAL index, which has no durable data."""
_POSTGRESQL_DISK_FULL = "53100"


def refusal_of(exc: SQLAlchemyError) -> OrchestratorError:
    """Return the error for a caller, without SQL statements and without values."""
    cause = exc.orig if isinstance(exc, DBAPIError) else exc
    error: OrchestratorError
    if is_disk_full(cause):
        error = DiskFullError()
    else:
        error = StoreUnavailableError(f"the database cannot do this now: {cause}")
    error.__cause__ = exc
    return error


def is_broken(cause: BaseException | None) -> bool:
    """Return whether a commit failed because of the disk.

    After a failed fsync, the kernel may drop the unwritten pages, and the next fsync may succeed.
    So a store that continued could acknowledge data that is not on the disk.
    """
    code = getattr(cause, "sqlite_errorcode", None)
    return (
        code is not None and code & _PRIMARY == sqlite3.SQLITE_IOERR and code not in _SHARED_MEMORY
    )


def is_disk_full(cause: BaseException | None) -> bool:
    """Return whether an error of a database's driver says that its disk is full."""
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        full_index = code in (sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP)
        return full_index or code & _PRIMARY == sqlite3.SQLITE_FULL
    return getattr(cause, "sqlstate", None) == _POSTGRESQL_DISK_FULL


class DatabaseError(Exception):
    """The database cannot be opened; the text says why and what to do."""


class DatabaseInUseError(DatabaseError):
    """The file belongs to another process."""

    def __init__(self, path: Path, owner: str) -> None:
        super().__init__(f"{path} is in use by {owner}: stop it, or use another database")
        self.path = path
        self.owner = owner
        """Description of the process, for an error message."""


@contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """Yield a connection. An error of the database in the block becomes its refusal.

    Raises:
        OrchestratorError: the database cannot be read now.
    """
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as exc:
        raise refusal_of(exc) from exc
