"""Reading a database while a manager serves it, without an effect on the manager."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from agent_session_manager.sql.database.engines.postgresql import postgresql_engine
from agent_session_manager.sql.database.engines.sqlite import (
    BUSY_TIMEOUT_SECONDS,
    prepare_sqlite_reader,
)
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.database.url import file_of, not_supported, parse_url, shown
from agent_session_manager.sql.migrations.comparison import foreign_part

_ONLY_READING = {"postgresql_readonly": True}
_STEPS_AT_ONCE = 100_000
_STEPS_OF_ANY = 10_000_000
_STEPS_OF_A_BYTE = 20
"""Checking and reading a database with the smallest rows takes 1.3 SQLite steps per byte."""


@contextmanager
def reading_alone(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a read-only connection to a SQLite file, even while a manager writes to it.

    The schema is checked: only schemas that our migrations create are accepted. The connection
    never checkpoints, even if it is the last to close: only the owner's connection may.

    Raises:
        DatabaseError: the file does not exist, has another schema, or takes more steps to read
            than its size allows. Pages that point to each other would never end.
        sqlite3.DatabaseError: the file cannot be read.
    """
    if not path.is_file():
        raise DatabaseError(f"there is no database at {path}")
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
    )
    with closing(connection), _bounded(connection, path):
        prepare_sqlite_reader(connection, None)
        foreign = foreign_part(connection)
        if foreign is not None:
            raise DatabaseError(
                f"{path} is not a database of agent-session-manager: its schema has {foreign}, "
                "which no version creates; it was not changed"
            )
        yield connection


@contextmanager
def _bounded(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Limit SQLite to the number of steps that a file of this size can need."""
    files = (path, path.with_name(f"{path.name}-wal"))
    size = sum(file.stat().st_size for file in files if file.exists())
    turns = iter(range((_STEPS_OF_ANY + size * _STEPS_OF_A_BYTE) // _STEPS_AT_ONCE))
    connection.set_progress_handler(lambda: next(turns, None) is None, _STEPS_AT_ONCE)
    try:
        yield
    except sqlite3.OperationalError as exc:
        if getattr(exc, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            raise
        raise DatabaseError(
            f"{path} is damaged or malicious: reading it takes more steps than {size} bytes can "
            "need; it was not changed. Use another file or a backup"
        ) from exc


@contextmanager
def reading_one_moment(url: str) -> Iterator[Connection]:
    """Open a read-only transaction with one consistent view of the database.

    A manager can serve the database during the transaction.

    Raises:
        DatabaseError: the database does not exist or cannot be reached.
    """
    parsed = parse_url(url)
    with ExitStack() as stack:
        kind = parsed.get_backend_name()
        if kind == "sqlite":
            raw = stack.enter_context(reading_alone(file_of(parsed)))
            engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
            event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN"))
        elif kind != "postgresql":
            raise not_supported(kind)
        else:
            engine = postgresql_engine(
                parsed, 1, isolation_level="REPEATABLE READ", execution_options=_ONLY_READING
            )
        stack.callback(engine.dispose)
        try:
            connection = stack.enter_context(engine.connect())
            stack.enter_context(connection.begin())
        except DBAPIError as exc:
            raise DatabaseError(f"cannot use {shown(parsed)}: {exc.orig}") from exc
        yield connection
