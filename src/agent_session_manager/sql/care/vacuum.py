"""Giving the space of what was deleted back to the disk.

New databases keep track of who points to which page, so a manager frees a few at a time between its
commits. Without a manager the file is rebuilt as a whole, which also gives that to one that was
made without it. Whatever ends either halfway, the record is as it was.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from agent_session_manager.domain.errors import VacuumNotPossibleError
from agent_session_manager.sql.care.readonly import reading_alone
from agent_session_manager.sql.care.verify import damage, read_contents
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.database.ownership import owned
from agent_session_manager.sql.database.sqlite import BUSY_TIMEOUT_SECONDS, INCREMENTAL
from agent_session_manager.store.space import Freed, Space


def vacuum(database: Path) -> Freed:
    """Rebuild a database that nobody serves, without the space of what was deleted.

    Raises:
        DatabaseInUseError: a manager serves it.
        DatabaseError: it cannot be rebuilt; it is as it was.
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
                f"cannot vacuum {database}, which is as it was: {exc}. It needs as much free space "
                "as the database takes, beside it and where temporary files go"
            ) from exc


def _refuse_damaged(found: list[str], database: Path) -> None:
    if found:
        raise DatabaseError(
            f"{database} is damaged ({found[0]}) and would be after it, too; it is as it was. "
            "All that is wrong with it: agent-session-manager verify"
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
    """Free so many pages, in a transaction of their own, and say what is left.

    Raises:
        VacuumNotPossibleError: the database does not keep track of its pages.
        sqlite3.DatabaseError: it cannot be done now.
    """
    if _ask(connection, "auto_vacuum") != INCREMENTAL:
        raise VacuumNotPossibleError(
            "this database was made by an earlier version: stop the manager, run "
            "agent-session-manager vacuum once, and from then on one can do it while it serves"
        )
    # As a script, because `execute` takes the first step of a statement only: one page.
    if pages:  # 0 would mean all
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
