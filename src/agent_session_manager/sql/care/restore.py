"""Putting a backup in the place of a SQLite database, which is kept aside.

At every moment there is a database under the name: the present one or the restored one, whole.
The restored record has new generations, so a reader that comes back with an old cursor is told so.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from agent_session_manager.sql.care.backup import clear_cut_off, copied, flush, put_in_place
from agent_session_manager.sql.care.verify import Contents, verify
from agent_session_manager.sql.database.errors import DatabaseError, DatabaseInUseError
from agent_session_manager.sql.database.head import head_path, remove_head
from agent_session_manager.sql.database.ownership import owned
from agent_session_manager.sql.database.sqlite import BUSY_TIMEOUT_SECONDS, distrust

_LOGS = ("-wal", "-shm")


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was done."""

    contents: Contents
    replaced: Path | None
    """Where the database is that was there before; None: there was none."""


def restore(file: Path, database: Path, *, now: datetime) -> Restored:
    """Put a copy of `file` in the place of a database that nobody serves.

    Raises:
        DatabaseError: a manager serves it, or `file` is not a whole database; nothing was changed.
    """
    with owned_alone(database):
        _refuse_itself(file, database)
        clear_cut_off(database)
        with copied(file, beside=database) as copy:
            contents, problems = verify(copy)
            if contents is None or problems:
                raise DatabaseError(
                    f"{file} is not whole, and nothing was changed: {problems[0]}; "
                    f"all that is wrong with it: agent-session-manager verify {file}"
                )
            try:
                renew(copy)
            except sqlite3.DatabaseError as exc:
                raise DatabaseError(f"cannot write in {database.parent}: {exc}") from exc
            replaced = _set_aside(database, now) if os.path.lexists(database) else None
            _forget_head(database)
            put_in_place(copy, database)
    return Restored(contents=contents, replaced=replaced)


def owned_alone(database: Path) -> ExitStack:
    """Own a database that nobody serves.

    Raises:
        DatabaseError: a manager serves it.
    """
    try:
        return owned(database)
    except DatabaseInUseError as exc:
        raise DatabaseError(
            f"{database} belongs to {exc.owner}: stop it first: agent-session-manager stop"
        ) from exc
    except OSError as exc:
        raise DatabaseError(f"cannot use {database}: {exc.strerror}") from exc


def _refuse_itself(file: Path, database: Path) -> None:
    if database.is_symlink():
        raise DatabaseError(f"{database} is a link; nothing was changed")
    if database.exists() and file.exists() and file.samefile(database):
        raise DatabaseError(f"{file} is the database itself")


def _forget_head(database: Path) -> None:
    """A backup is behind the head of what it replaces, and that is no loss."""
    try:
        remove_head(database)
        flush(database.parent)
    except OSError as exc:
        raise DatabaseError(f"cannot remove {head_path(database)}: {exc.strerror}") from exc


def renew(copy: Path) -> None:
    """Give the record new generations: events that a reader has seen may not be in it.

    No token of a run is taken from a file: a person's next command delivers what its run still has.
    """
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.create_function("new_generation", 0, lambda: uuid4().hex)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        distrust(connection)
        connection.execute("BEGIN")
        for table in sorted({"feed", "sessions"} & tables):
            connection.execute(f"UPDATE {table} SET generation = new_generation()")
        if "run_tokens" in tables:
            connection.execute("DELETE FROM run_tokens")
        connection.execute("COMMIT")


def _set_aside(database: Path, now: datetime) -> Path:
    """Give the present database a second name, with all that its log holds.

    The log of one that is too damaged to be opened keeps its name beside it.
    """
    aside = replaced_path(database, now)
    try:
        try:
            fold_log(database)
        except sqlite3.DatabaseError as exc:
            if exc.sqlite_errorname.startswith("SQLITE_BUSY"):
                raise DatabaseError(f"{database} is being read: try again later") from exc
        present = [suffix for suffix in _LOGS if _beside(database, suffix).exists()]
        os.link(database, aside)
        for suffix in present:
            os.link(_beside(database, suffix), _beside(aside, suffix))
        flush(database.parent)
        for suffix in present:
            _beside(database, suffix).unlink()
    except OSError as exc:
        raise DatabaseError(f"cannot keep {database} as {aside.name}: {exc.strerror}") from exc
    return aside


def replaced_path(database: Path, now: datetime) -> Path:
    """Where a database is kept that another one takes the place of."""
    return database.with_name(f"{database.name}.replaced-{now:%Y%m%dT%H%M%SZ}")


def fold_log(database: Path) -> None:
    """Bring the log into the file; as its owner we are the one who may."""
    connection = sqlite3.connect(database, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
    with closing(connection):
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise DatabaseError(f"{database} is being read: try again later")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
