"""SQLite: a file that is ours alone, and its connections.

The connection that writes is the only one that checkpoints, which keeps versions older than 3.51.3
clear of their WAL-reset defect. The file belongs to one process, held by a lock beside it.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Collection
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import QueuePool

from agent_session_manager.sql.database import ownership
from agent_session_manager.sql.database.ballast import ballast_path
from agent_session_manager.sql.database.database import Database, RawSql
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.database.foreign_text import ForeignTextConnection
from agent_session_manager.sql.database.head import head_path, loss, read_head, refusal
from agent_session_manager.sql.database.url import file_of
from agent_session_manager.store.protocol import READERS
from agent_shared.private_files import NotPrivateError, check_private, open_private

INCREMENTAL = 2
"""SQLite's number for files that can be made smaller step by step; it is given to new ones only."""
BUSY_TIMEOUT_SECONDS = 5.0
LOG_KEPT_BYTES = 16 * 1024 * 1024
"""What stays of a log that was longer once, when it begins anew."""
_SQLITE_HEADER = b"SQLite format 3\0"


def open_sqlite(url: URL) -> Database:
    path = file_of(url).absolute()
    with ExitStack() as stack:
        try:
            _check_directory(path.parent)
            stack.enter_context(ownership.owned(path))
            # A restore that was killed may have left each with a second name, beside it.
            aside = list(path.parent.glob(f"{path.name}.replaced-*"))
            _check_beside(path, aside)
            _refuse_missing(path)
            _create_or_check(path, _links(path, aside))
        except NotPrivateError as exc:
            raise DatabaseError(str(exc)) from exc
        except OSError as exc:
            raise DatabaseError(f"cannot use {path}: {exc.strerror}") from exc
        # Connections that are opened for reading only can never checkpoint, whoever closes last.
        writing = _sqlite_engine(url, partial(_connect, path, "rw"), connections=1)
        reading = _sqlite_engine(url, partial(_connect, path, "ro"), connections=READERS)
        event.listen(writing, "connect", _prepare_sqlite_writer)
        event.listen(reading, "connect", prepare_sqlite_reader)
        event.listen(writing, "begin", _begin_immediate)
        return Database(url, writing, reading, stack.pop_all())


def _check_directory(directory: Path) -> None:
    """Refuse a directory in which others could put something under a name of ours.

    Raises:
        DatabaseError: they could.
        OSError: there is none, or it cannot be looked at.
    """
    status = directory.stat()
    if status.st_uid not in (os.geteuid(), 0):
        raise DatabaseError(f"{directory} is not yours: keep the database in a directory of yours")
    if status.st_mode & 0o022:
        raise DatabaseError(
            f"others can write in {directory}: chmod go-w {directory}, or keep the database in "
            "another directory"
        )


def _check_beside(path: Path, aside: Collection[Path]) -> None:
    """Refuse a file beside the database that is opened by its name and is not private."""
    sqlites = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]
    for beside in (*sqlites, head_path(path), ballast_path(path)):
        check_private(beside, links=_links(beside, aside))


def _links(path: Path, aside: Collection[Path]) -> int:
    """How many names it may have: one, and that of its copy under `aside`."""
    return 1 + (sum(map(path.samefile, aside)) if path.exists() else 0)


def _refuse_missing(path: Path) -> None:
    """Where its head says that there was a database, none is made in its place."""
    if path.exists() and path.stat().st_size:
        return
    missing = loss(read_head(path), None)
    if missing is not None:
        raise DatabaseError(refusal(path, missing))


def _create_or_check(path: Path, links: int) -> None:
    """Create the file for its owner only; SQLite gives its `-wal` and `-shm` the same mode.

    A file that is there must be a database: SQLite takes a short one for empty and overwrites it.
    """
    file = open_private(path, links=links)
    try:
        if os.pread(file, len(_SQLITE_HEADER), 0) not in (b"", _SQLITE_HEADER):
            raise DatabaseError(f"{path} is not a database; it was left as it is")
    finally:
        os.close(file)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=ForeignTextConnection,
    )


def _sqlite_engine(
    url: URL, connect: Callable[[], sqlite3.Connection], *, connections: int
) -> Engine:
    return create_engine(
        url.set(drivername="sqlite+pysqlite"),
        creator=connect,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
    )


def distrust(connection: sqlite3.Connection) -> None:
    """Prepare for a file that others may have written.

    No function of its schema is called, no cell outside of its page is read, and no statement
    reaches the file behind SQLite's tables.
    """
    for pragma in ("trusted_schema = OFF", "cell_size_check = ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE)


def _prepare_sqlite_writer(connection: sqlite3.Connection, _record: object) -> None:
    pragmas = (
        f"auto_vacuum = {INCREMENTAL}",  # before anything is written
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"journal_size_limit = {LOG_KEPT_BYTES}",
        # What is deleted is overwritten, but for what was moved within pages that others share.
        "secure_delete = ON",
    )
    distrust(connection)
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}").close()


def prepare_sqlite_reader(connection: sqlite3.Connection, _record: object) -> None:
    distrust(connection)
    for pragma in ("query_only = ON", "wal_autocheckpoint = 0"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_immediate(connection: RawSql) -> None:
    """Take the write lock at once: a transaction that upgrades later fails without waiting."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
