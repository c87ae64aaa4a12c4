"""Returning the space of deleted data to the file system.

New databases use incremental auto-vacuum, so a manager frees a few pages between its commits.
Without a manager the whole file is rebuilt, which also turns incremental auto-vacuum on for an
older file. If either is interrupted, the record is unchanged.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from agent_session_manager.domain.errors import VacuumNotPossibleError
from agent_session_manager.sql.care.readonly import reading_alone
from agent_session_manager.sql.care.verify import damage, read_contents
from agent_session_manager.sql.database.engines.sqlite import BUSY_TIMEOUT_SECONDS, INCREMENTAL
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.database.file.ownership import owned
from agent_session_manager.store.space import Freed, Space


def vacuum(database: Path) -> Freed:
    """Rebuild a database that no manager serves, without the space of deleted data.

    Raises:
        DatabaseInUseError: a manager serves the database.
        DatabaseError: the database cannot be rebuilt; it was not changed.
    """
    if not database.is_file():
        raise DatabaseError(f"there is no database at {database}")
    try:
        owning = owned(database)
    except OSError as exc:
        raise DatabaseError(f"cannot use {database}: {exc.strerror}") from exc
    with owning:
        try:
            with reading_alone(database) as reading:
                read_contents(reading, database)
                _refuse_damaged(damage(reading), database)
            return _rebuild(database)
        except sqlite3.DatabaseError as exc:
            raise DatabaseError(
                f"cannot vacuum {database}: {exc}; it was not changed. A vacuum needs as much free "
                "space as the database takes, in its directory and in that of temporary files"
            ) from exc


def _refuse_damaged(found: list[str], database: Path) -> None:
    if found:
        raise DatabaseError(
            f"{database} is damaged ({found[0]}), which a vacuum does not repair; it was not "
            "changed. To list all problems: agent-session-manager verify"
        )


def _rebuild(database: Path) -> Freed:
    connection = sqlite3.connect(database, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
    with closing(connection):
        before = measure(connection)
        for statement in (f"PRAGMA auto_vacuum = {INCREMENTAL}", "VACUUM"):
            connection.execute(statement).close()
        after = measure(connection)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    return Freed(before_bytes=before.total_bytes, after_bytes=after.total_bytes)


def free_some(connection: sqlite3.Connection, pages: int) -> Space:
    """Free up to `pages` unused pages in one transaction; return the size after that.

    Raises:
        VacuumNotPossibleError: the database does not use incremental auto-vacuum.
        sqlite3.DatabaseError: the pages cannot be freed now.
    """
    if _ask(connection, "auto_vacuum") != INCREMENTAL:
        raise VacuumNotPossibleError(
            "this database was created by an earlier version: stop the manager and run "
            "agent-session-manager vacuum once; then a running manager can vacuum it, too"
        )
    # Not `execute`: it runs only the first step of the statement, which frees one page.
    if pages:  # 0 would free all pages
        connection.executescript(f"PRAGMA incremental_vacuum({pages})").close()
    space = measure(connection)
    if not space.free_bytes:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").close()
    return space


def measure(connection: sqlite3.Connection) -> Space:
    size = _ask(connection, "page_size")
    return Space(
        total_bytes=_ask(connection, "page_count") * size,
        free_bytes=_ask(connection, "freelist_count") * size,
        page_bytes=size,
    )


def _ask(connection: sqlite3.Connection, pragma: str) -> int:
    answer: int = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    return answer
