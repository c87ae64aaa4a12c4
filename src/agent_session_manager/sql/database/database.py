"""Opening the database: the only place where SQLite and PostgreSQL differ.

One connection writes, a few others read. On SQLite the writing connection is also the only one
that checkpoints, which keeps versions older than 3.51.3 clear of their WAL-reset defect, and the
file belongs to one process, held by a lock beside it.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import stat
import sys
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from agent_session_manager.machine.private import (
    NotPrivateError,
    check_directory,
    check_private,
    open_private,
)
from agent_session_manager.sql.database.ballast import ballast_path
from agent_session_manager.sql.database.foreign_text import ForeignTextConnection
from agent_session_manager.sql.database.head import head_path, loss, read_head, refusal
from agent_session_manager.sql.database.notices import ANY, Notices
from agent_session_manager.sql.database.owner import read_owner, write_owner
from agent_session_manager.store.protocol import READERS, Notice
from agent_shared.sqlite_url import path_in, sqlite_url

INCREMENTAL = 2
"""SQLite's number for files that can be made smaller step by step; it is given to new ones only."""
BUSY_TIMEOUT_SECONDS = 5.0
_NAMED_SECONDS = 60.0
"""A watchdog: from its lock to its name in it an owner does nothing else."""
_UNNAMED = "a process that has not said which it is"
_LOOK_EVERY_SECONDS = 0.005
_WRITING = 0x414F  # "AO": the number of a lock means what the database's users agree on
_POSTGRESQL = "postgresql+psycopg"
LOG_KEPT_BYTES = 16 * 1024 * 1024
"""What stays of a log that was longer once, when it begins anew."""
_SQLITE_HEADER = b"SQLite format 3\0"


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
        """Where the data is; see `shown`."""
        return shown(self.url)

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database; None on PostgreSQL."""
        return file_of(self.url) if self.url.get_backend_name() == "sqlite" else None

    def notify(self, connection: Connection, session_ids: Collection[str]) -> None:
        """Tell other managers, when this transaction commits, which sessions it changed."""
        if self.notices is not None and session_ids:
            self.notices.send(connection, session_ids)

    def notify_of_everything(self, connection: Connection) -> None:
        """Tell other managers, when this transaction commits, that anything may have changed."""
        if self.notices is not None:
            self.notices.send(connection, {ANY})

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
    parsed = parse_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return _open_sqlite(parsed)
        case "postgresql":
            return _open_postgresql(parsed)
        case other:
            raise not_supported(other)


def sqlite_path(url: str) -> Path:
    """The file that an SQLAlchemy URL means.

    Raises:
        DatabaseError: it is not a SQLite database.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise DatabaseError(
            f"{shown(parsed)} is not SQLite: PostgreSQL is backed up, checked and restored with "
            "its own tools: pg_dump, pg_amcheck, pg_restore"
        )
    return file_of(parsed)


def not_supported(kind: str) -> DatabaseError:
    return DatabaseError(f"{kind} is not supported: use sqlite:///PATH or postgresql://…")


def parse_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as exc:  # the latter for a port that is no number
        told = re.sub("//[^/]*@", "//***@", url)  # it may have a password
        raise DatabaseError(f"not a database URL: {told!r}") from exc
    path = path_in(url)  # SQLAlchemy takes bytes that are not UTF-8 for others
    return parsed if path is None else parsed.set(database=str(path))


def shown(url: URL) -> str:
    """Return a URL that can be shown and parsed again: without a password, and ASCII only."""
    if url.get_backend_name() == "sqlite" and url.database:
        return sqlite_url(Path(url.database))
    return url.render_as_string(hide_password=True)


def file_of(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise DatabaseError("a SQLite database needs a file: sqlite:///PATH")
    if "\0" in url.database:
        raise DatabaseError(f"no path has a NUL in it: {shown(url)}")
    return Path(url.database)


def _open_sqlite(url: URL) -> Database:
    path = file_of(url).absolute()
    with ExitStack() as stack:
        try:
            check_directory(path.parent)
            stack.enter_context(owned(path))
            # A restore that was killed may have left each with a second name, beside it.
            aside = list(path.parent.glob(f"{path.name}.replaced-*"))
            _check_beside(path, aside)
            _refuse_missing(path)
            file = _create_or_check(path, _links(path, aside))
            stack.callback(os.close, file)
        except NotPrivateError as exc:
            raise DatabaseError(str(exc)) from exc
        except OSError as exc:
            raise DatabaseError(f"cannot use {path}: {exc.strerror}") from exc
        # Connections that are opened for reading only can never checkpoint, whoever closes last.
        writing = _sqlite_engine(url, partial(_connect, path, file, "rw"), connections=1)
        reading = _sqlite_engine(url, partial(_connect, path, file, "ro"), connections=READERS)
        event.listen(writing, "connect", _prepare_sqlite_writer)
        event.listen(reading, "connect", prepare_sqlite_reader)
        event.listen(writing, "begin", _begin_immediate)
        return Database(url, writing, reading, stack.pop_all())


def owned(path: Path) -> ExitStack:
    """Hold the lock beside the file that makes us its one owner.

    Raises:
        DatabaseInUseError: another process is.
        DatabaseError: what is there under the name of the lock is not a private file.
        OSError: it cannot be opened.
    """
    lock_path = path.with_name(path.name + ".lock")
    stack = ExitStack()
    try:
        descriptor = open_private(lock_path)
    except NotPrivateError as exc:
        raise DatabaseError(str(exc)) from exc
    stack.callback(os.close, descriptor)
    deadline = time.monotonic() + _NAMED_SECONDS
    while not _lock(descriptor):
        owner = read_owner(descriptor)
        # What stands there may still be the name of an owner that was killed.
        is_known = owner is not None and (owner.is_alive or owner.is_elsewhere)
        if is_known or time.monotonic() > deadline:
            stack.close()
            raise DatabaseInUseError(path, str(owner) if is_known else _UNNAMED)
        time.sleep(_LOOK_EVERY_SECONDS)
    os.ftruncate(descriptor, 0)
    write_owner(descriptor)
    stack.callback(os.ftruncate, descriptor, 0)
    return stack


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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


def _create_or_check(path: Path, links: int) -> int:
    """Create the file for its owner only; SQLite gives its `-wal` and `-shm` the same mode.

    A file that is there must be a database: SQLite takes a short one for empty and overwrites it.
    It stays open, so that what SQLite opens can be compared with it.
    """
    with ExitStack() as failing:
        file = open_private(path, links=links)
        failing.callback(os.close, file)
        if os.pread(file, len(_SQLITE_HEADER), 0) not in (b"", _SQLITE_HEADER):
            raise DatabaseError(f"{path} is not a database; it was left as it is")
        failing.pop_all()
    return file


def _connect(path: Path, file: int, mode: str) -> sqlite3.Connection:
    """Connect by the name, and refuse what is not the file that was checked under it."""
    before = _open_files()
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=ForeignTextConnection,
    )
    opened = [status for number, status in _open_files().items() if number not in before]
    # SQLite may use one again that it kept open: then there is none to compare.
    if opened and not any(os.path.samestat(os.fstat(file), status) for status in opened):
        connection.close()
        raise DatabaseError(f"{path} was replaced by something else while it was opened")
    return connection


def _open_files() -> dict[int, os.stat_result]:
    """The regular files that this process has open, by their descriptors."""
    found = {}
    for name in os.listdir("/dev/fd"):  # noqa: PTH208  # numbers, not paths
        with suppress(OSError):  # the descriptor of this very listing
            status = os.fstat(int(name))
            if stat.S_ISREG(status.st_mode):
                found[int(name)] = status
    return found


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


class _RawSql(Protocol):
    def exec_driver_sql(self, statement: str) -> Any: ...


def _begin_immediate(connection: _RawSql) -> None:
    """Take the write lock at once: a transaction that upgrades later fails without waiting."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _open_postgresql(url: URL) -> Database:
    url = url.set(drivername=_POSTGRESQL)
    writing, reading, hearing = (postgresql_engine(url, size) for size in (1, READERS, 1))
    event.listen(writing, "begin", _begin_alone)
    return Database(url, writing, reading, notices=Notices(hearing))


def postgresql_engine(url: URL, size: int, **options: Any) -> Engine:
    said = f"-c synchronous_commit=on -c timezone=UTC -c lock_timeout={BUSY_TIMEOUT_SECONDS}s"
    try:
        return create_engine(
            url.set(drivername=_POSTGRESQL),
            pool_size=size,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={"options": said},
            hide_parameters=True,
            **options,
        )
    except ModuleNotFoundError as exc:
        raise DatabaseError(
            "PostgreSQL needs its driver: pip install 'agent-orchestrator[postgresql]'"
        ) from exc


def _begin_alone(connection: _RawSql) -> None:
    """Let one manager write at a time, as SQLite does.

    Row locks would not do: who has waited for a row sees that row anew, but what it is joined with
    as it was before.
    """
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITING})")
