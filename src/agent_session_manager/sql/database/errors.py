"""What the database says when it cannot: to wait, that the disk is full, or that it is over."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from agent_session_manager.domain.errors import (
    DiskFullError,
    OrchestratorError,
    StoreUnavailableError,
)

_PRIMARY = 0xFF
"""The part of a code of SQLite's that says the kind of an error."""
_SHARED_MEMORY = frozenset(
    {
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMSIZE,
        sqlite3.SQLITE_IOERR_SHMLOCK,
        sqlite3.SQLITE_IOERR_SHMMAP,
    }
)
"""Of the index of the log, which holds nothing that is to last."""
_POSTGRESQL_DISK_FULL = "53100"


def refusal_of(exc: SQLAlchemyError) -> OrchestratorError:
    """What the database said, without our SQL and without anybody's values."""
    cause = exc.orig if isinstance(exc, DBAPIError) else exc
    error: OrchestratorError
    if _is_disk_full(cause):
        error = DiskFullError()
    else:
        error = StoreUnavailableError(f"the database cannot do this now: {cause}")
    error.__cause__ = exc
    return error


def is_broken(cause: BaseException | None) -> bool:
    """Whether a commit failed at the disk.

    What a failed flush had to bring there may be forgotten by the system, and the next flush said
    to be fine: going on could acknowledge what is on no disk.
    """
    code = getattr(cause, "sqlite_errorcode", None)
    return (
        code is not None and code & _PRIMARY == sqlite3.SQLITE_IOERR and code not in _SHARED_MEMORY
    )


def _is_disk_full(cause: BaseException | None) -> bool:
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
        super().__init__(
            f"{path} belongs to {owner}: stop that one, or give this one another database"
        )
        self.path = path
        self.owner = owner
        """It, as it is named in a sentence."""
