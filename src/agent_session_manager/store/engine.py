"""Opening the database: the only place where SQLite and PostgreSQL differ.

One connection writes, a few others read. On SQLite the writing connection is also the only one
that checkpoints, which keeps versions older than 3.51.3 clear of their WAL-reset defect, and the
file belongs to one process, held by a lock beside it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from agent_session_manager.store.base import Notice
from agent_session_manager.store.head import loss, read_head, refusal
from agent_session_manager.store.notices import Notices

READERS = 4
BUSY_TIMEOUT_SECONDS = 5.0
_WRITING = 0x414F  # "AO": the number of a lock means what the database's users agree on
LOG_KEPT_BYTES = 16 * 1024 * 1024
"""What stays of a log that was longer once, when it begins anew."""
_SQLITE_HEADER = b"SQLite format 3\0"


class DatabaseError(Exception):
    """The database cannot be opened; the text says why and what to do."""


class DatabaseInUseError(DatabaseError):
    """The file belongs to another process."""

    def __init__(self, path: Path, owner: str) -> None:
        super().__init__(
            f"{path} belongs to the manager with process id {owner}: "
            "stop that one, or give this one another database"
        )
        self.path = path
        self.owner = owner


@dataclass
class Database:
    """Two engines on one database, open from construction until `close`."""

    url: URL
    writing: Engine
    reading: Engine
    _closing: ExitStack = field(default_factory=ExitStack)
    notices: Notices | None = None
    """Where several managers may serve one database; else nobody has to be told."""

    @property
    def shown_url(self) -> str:
        """Where the data is, fit to be shown: without a password."""
        return self.url.render_as_string(hide_password=True)

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database; None on PostgreSQL."""
        return _path(self.url) if self.url.get_backend_name() == "sqlite" else None

    def notify(self, connection: Connection, session_ids: Collection[str]) -> None:
        """Tell other managers, when this transaction commits, which sessions it changed."""
        if self.notices is not None and session_ids:
            self.notices.send(connection, session_ids)

    def watch(self, notice: Notice) -> None:
        """Call `notice`, from a thread, with what other managers say; None: anything may be new."""
        if self.notices is not None:
            self.notices.start(notice)
            self._closing.callback(self.notices.stop)

    def close(self) -> None:
        """Give the connections and the file back. The last to go checkpoints the WAL."""
        self.reading.dispose()
        self.writing.dispose()
        self._closing.close()


def open_database(url: str) -> Database:
    """Open the database at an SQLAlchemy URL, `sqlite:///PATH` or `postgresql://…`.

    Raises:
        DatabaseError: the URL is of neither kind, the file belongs to another process or cannot
            be used.
    """
    parsed = _parse(url)
    match parsed.get_backend_name():
        case "sqlite":
            return _open_sqlite(parsed)
        case "postgresql":
            return _open_postgresql(parsed)
        case other:
            raise DatabaseError(f"{other} is not supported: use sqlite:///PATH or postgresql://…")


def sqlite_path(url: str) -> Path:
    """The file that an SQLAlchemy URL means.

    Raises:
        DatabaseError: it is not a SQLite database.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        raise DatabaseError(
            f"{parsed.render_as_string(hide_password=True)} is not SQLite: PostgreSQL is backed "
            "up, checked and restored with its own tools: pg_dump, pg_amcheck, pg_restore"
        )
    return _path(parsed)


@contextmanager
def reading_alone(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a SQLite file, also to one that a manager is writing to.

    It cannot write and never checkpoints, not even when it is the last to close: the one
    connection that does belongs to the owner.

    Raises:
        DatabaseError: there is no such file.
        sqlite3.DatabaseError: it cannot be read.
    """
    if not path.is_file():
        raise DatabaseError(f"there is no database at {path}")
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
    )
    with closing(connection):
        _prepare_sqlite_reader(connection, None)
        yield connection


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError as exc:
        raise DatabaseError(f"not a database URL: {url!r}") from exc


def _path(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise DatabaseError("a SQLite database needs a file: sqlite:///PATH")
    return Path(url.database)


def _open_sqlite(url: URL) -> Database:
    path = _path(url)
    with ExitStack() as stack:
        try:
            stack.enter_context(owned(path))
            _refuse_missing(path)
            _create_or_check(path)
        except OSError as exc:
            raise DatabaseError(f"cannot use {path}: {exc.strerror}") from exc
        writing = _sqlite_engine(url, path, connections=1)
        reading = _sqlite_engine(url, path, connections=READERS, mode="ro")
        event.listen(writing, "connect", _prepare_sqlite_writer)
        event.listen(reading, "connect", _prepare_sqlite_reader)
        event.listen(writing, "begin", _begin_immediate)
        return Database(url, writing, reading, stack.pop_all())


def owned(path: Path) -> ExitStack:
    """Hold the lock beside the file that makes us its one owner.

    Raises:
        DatabaseInUseError: another process is.
    """
    lock_path = path.with_name(path.name + ".lock")
    stack = ExitStack()
    descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    stack.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        stack.close()
        raise DatabaseInUseError(path, owner) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return stack


def _refuse_missing(path: Path) -> None:
    """Where its head says that there was a database, none is made in its place."""
    if path.exists() and path.stat().st_size:
        return
    missing = loss(read_head(path), None)
    if missing is not None:
        raise DatabaseError(refusal(path, missing))


def _create_or_check(path: Path) -> None:
    """Create the file for its owner only; SQLite gives its `-wal` and `-shm` the same mode.

    A file that is there must be a database: SQLite takes a short one for empty and overwrites it.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "rb") as file:
        if file.read(len(_SQLITE_HEADER)) not in (b"", _SQLITE_HEADER):
            raise DatabaseError(f"{path} is not a database; it was left as it is")


def _sqlite_engine(url: URL, path: Path, *, connections: int, mode: str = "rw") -> Engine:
    """Connections that are opened for reading only can never checkpoint, whoever closes last."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            check_same_thread=False,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
        )

    return create_engine(
        url.set(drivername="sqlite+pysqlite"),
        creator=connect,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
    )


def _prepare_sqlite_writer(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"journal_size_limit = {LOG_KEPT_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _prepare_sqlite_reader(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in ("query_only = ON", "wal_autocheckpoint = 0"):
        connection.execute(f"PRAGMA {pragma}").close()


class _RawSql(Protocol):
    def exec_driver_sql(self, statement: str) -> Any: ...


def _begin_immediate(connection: _RawSql) -> None:
    """Take the write lock at once: a transaction that upgrades later fails without waiting."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _open_postgresql(url: URL) -> Database:
    url = url.set(drivername="postgresql+psycopg")
    options = f"-c synchronous_commit=on -c timezone=UTC -c lock_timeout={BUSY_TIMEOUT_SECONDS}s"
    connect_args = {"options": options}

    def engine(size: int) -> Engine:
        return create_engine(
            url, pool_size=size, max_overflow=0, pool_pre_ping=True, connect_args=connect_args
        )

    try:
        database = Database(url, engine(1), engine(READERS), notices=Notices(engine(1)))
    except ModuleNotFoundError as exc:
        raise DatabaseError(
            "PostgreSQL needs its driver: pip install 'agent-orchestrator[postgresql]'"
        ) from exc
    event.listen(database.writing, "begin", _begin_alone)
    return database


def _begin_alone(connection: _RawSql) -> None:
    """Let one manager write at a time, as SQLite does.

    Row locks would not do: who has waited for a row sees that row anew, but what it is joined with
    as it was before.
    """
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITING})")
