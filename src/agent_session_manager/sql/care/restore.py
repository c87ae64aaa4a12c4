"""Restoring a backup of a SQLite database. The replaced database is kept under another name.

At every moment the name leads to a complete database: the present one or the restored one. The
restored record has new generations, so a reader with an old cursor gets an error.
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
from agent_session_manager.sql.database.engines.sqlite import BUSY_TIMEOUT_SECONDS, distrust
from agent_session_manager.sql.database.errors import DatabaseError, DatabaseInUseError
from agent_session_manager.sql.database.file.head import head_path, remove_head
from agent_session_manager.sql.database.file.ownership import owned
from agent_session_manager.sql.search.sqlite.file import index_path, remove_index

_LOGS = ("-wal", "-shm")


@dataclass(frozen=True, kw_only=True)
class Restored:
    """The result of a restore."""

    contents: Contents
    replaced: Path | None
    """Path of the replaced database; None: there was no database before."""


def restore(file: Path, database: Path, *, now: datetime) -> Restored:
    """Replace a database that no manager serves by a copy of `file`.

    Raises:
        DatabaseError: a manager serves the database, or `file` is damaged or not a database;
            nothing was changed.
    """
    with owned_alone(database):
        _refuse_itself(file, database)
        clear_cut_off(database)
        with copied(file, beside=database) as copy:
            contents, problems = verify(copy)
            if contents is None or problems:
                raise DatabaseError(
                    f"{file} cannot be restored: {problems[0]}; nothing was changed. "
                    f"To list all problems: agent-session-manager verify {file}"
                )
            try:
                renew(copy)
            except sqlite3.DatabaseError as exc:
                raise DatabaseError(f"cannot write in {database.parent}: {exc}") from exc
            replaced = _set_aside(database, now) if os.path.lexists(database) else None
            _forget_head(database)
            forget_index(database)
            put_in_place(copy, database)
    return Restored(contents=contents, replaced=replaced)


def owned_alone(database: Path) -> ExitStack:
    """Become the owner of a database that no manager serves.

    Raises:
        DatabaseError: a manager serves the database.
    """
    try:
        return owned(database)
    except DatabaseInUseError as exc:
        raise DatabaseError(
            f"{database} is in use by {exc.owner}: stop it first: agent-session-manager stop"
        ) from exc
    except OSError as exc:
        raise DatabaseError(f"cannot use {database}: {exc.strerror}") from exc


def _refuse_itself(file: Path, database: Path) -> None:
    if database.is_symlink():
        raise DatabaseError(f"{database} is a symbolic link; nothing was changed")
    if database.exists() and file.exists() and file.samefile(database):
        raise DatabaseError(f"{file} is the database itself; nothing was changed")


def _forget_head(database: Path) -> None:
    """Delete the head: a restored backup is behind it, which is not a loss."""
    try:
        remove_head(database)
        flush(database.parent)
    except OSError as exc:
        raise DatabaseError(f"cannot remove {head_path(database)}: {exc.strerror}") from exc


def forget_index(database: Path) -> None:
    """Delete the search index. It has words of the replaced record."""
    try:
        remove_index(database)
    except OSError as exc:
        raise DatabaseError(f"cannot remove {index_path(database)}: {exc.strerror}") from exc


def renew(copy: Path) -> None:
    """Give the record new generations: events that a reader has seen may be missing in it.

    Run tokens from a backup are deleted. A person's next command delivers the events that a run
    still has.
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
    """Link the present database to a second name, including the commits in its WAL.

    If the database is too damaged to be opened, its WAL is linked, too.
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
    """Return the path under which a replaced database is kept."""
    return database.with_name(f"{database.name}.replaced-{now:%Y%m%dT%H%M%SZ}")


def fold_log(database: Path) -> None:
    """Checkpoint the WAL into the file. Only the owner may do this."""
    connection = sqlite3.connect(database, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
    with closing(connection):
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise DatabaseError(f"{database} is being read: try again later")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
