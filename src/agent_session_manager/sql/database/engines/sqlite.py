"""SQLite: a private file with one owner process, and its connections.

Only the writing connection checkpoints. This avoids the WAL-reset defect of SQLite versions older
than 3.51.3. One process owns the file, through a lock file in the same directory.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Collection
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import QueuePool

from agent_session_manager.sql.database.database import Database
from agent_session_manager.sql.database.direct import write_text
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.database.file import ownership
from agent_session_manager.sql.database.file.ballast import ballast_path
from agent_session_manager.sql.database.file.foreign_text import ForeignTextConnection
from agent_session_manager.sql.database.file.head import head_path, loss, read_head, refusal
from agent_session_manager.sql.database.url import file_of
from agent_session_manager.store.protocol import READERS
from agent_shared.private_files import NotPrivateError, check_private, open_private

INCREMENTAL = 2
"""The auto_vacuum mode for files that can shrink step by step; only new files get it."""
BUSY_TIMEOUT_SECONDS = 5.0
LOG_KEPT_BYTES = 16 * 1024 * 1024
"""Size to which SQLite truncates a longer WAL when it resets the WAL."""
_SQLITE_HEADER = b"SQLite format 3\0"


def open_sqlite(url: URL) -> Database:
    path = file_of(url).absolute()
    url = url.set(database=str(path))  # the process of the index has another working directory
    with ExitStack() as stack:
        try:
            _check_directory(path.parent)
            stack.enter_context(ownership.owned(path))
            # A restore that was killed may have left a second hard link to each file.
            aside = list(path.parent.glob(f"{path.name}.replaced-*"))
            _check_beside(path, aside)
            _refuse_missing(path)
            _create_or_check(path, _links(path, aside))
        except NotPrivateError as exc:
            raise DatabaseError(str(exc)) from exc
        except OSError as exc:
            raise DatabaseError(f"cannot use {path}: {exc.strerror}") from exc
        writing = _sqlite_engine(url, partial(_connect, path, "rw"), connections=1)
        reading = reading_engine(url, READERS)
        event.listen(writing, "connect", _prepare_sqlite_writer)
        event.listen(writing, "begin", _begin_immediate)
        return Database(url, writing, reading, stack.pop_all())


def reading_engine(url: URL, connections: int) -> Engine:
    """Return an engine that only reads a database, also one that another process owns.

    A read-only connection never checkpoints, even if it is the last to close.
    """
    connect = partial(_connect, file_of(url), "ro")
    engine = _sqlite_engine(url, connect, connections=connections)
    event.listen(engine, "connect", prepare_sqlite_reader)
    return engine


def _check_directory(directory: Path) -> None:
    """Refuse a directory in which other users could create files.

    Raises:
        DatabaseError: other users could.
        OSError: the directory does not exist or cannot be read.
    """
    status = directory.stat()
    if status.st_uid not in (os.geteuid(), 0):
        raise DatabaseError(
            f"{directory} belongs to another user: keep the database in a directory that you own"
        )
    if status.st_mode & 0o022:
        raise DatabaseError(
            f"others can write in {directory}: chmod go-w {directory}, or keep the database in "
            "another directory"
        )


def _check_beside(path: Path, aside: Collection[Path]) -> None:
    """Refuse files of the database that are not private: WAL, shared memory, head and ballast."""
    sqlites = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]
    for beside in (*sqlites, head_path(path), ballast_path(path)):
        check_private(beside, links=_links(beside, aside))


def _links(path: Path, aside: Collection[Path]) -> int:
    """Return the allowed number of hard links: one, and one for each link in `aside`."""
    return 1 + (sum(map(path.samefile, aside)) if path.exists() else 0)


def _refuse_missing(path: Path) -> None:
    """Refuse to create a database if a head shows that there was one.

    Raises:
        DatabaseError: the database is missing.
    """
    if path.exists() and path.stat().st_size:
        return
    missing = loss(read_head(path), None)
    if missing is not None:
        raise DatabaseError(refusal(path, missing))


def _create_or_check(path: Path, links: int) -> None:
    """Create the file with access for its owner only; SQLite gives `-wal` and `-shm` the same mode.

    An existing file must be a database: SQLite treats a short file as empty and overwrites it.
    """
    file = open_private(path, links=links)
    try:
        if os.pread(file, len(_SQLITE_HEADER), 0) not in (b"", _SQLITE_HEADER):
            raise DatabaseError(f"{path} is not a database; it was not changed")
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
    """Protect a connection from a file that others may have written.

    SQLite then calls no unsafe functions from the schema, checks the size of each cell, and accepts
    no statements that can corrupt the file.
    """
    for pragma in ("trusted_schema = OFF", "cell_size_check = ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE)


def _prepare_sqlite_writer(connection: sqlite3.Connection, _record: object) -> None:
    pragmas = (
        f"auto_vacuum = {INCREMENTAL}",  # must come before the first write
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"journal_size_limit = {LOG_KEPT_BYTES}",
        # Overwrite deleted data. Remains can survive in pages that other rows share.
        "secure_delete = ON",
    )
    distrust(connection)
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}").close()


def prepare_sqlite_reader(connection: sqlite3.Connection, _record: object) -> None:
    distrust(connection)
    for pragma in ("query_only = ON", "wal_autocheckpoint = 0"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock at once: a transaction that upgrades later fails without waiting."""
    write_text(connection, "BEGIN IMMEDIATE")
