"""Reading a database beside the manager that serves it, which notices nothing of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.database.postgresql import postgresql_engine
from agent_session_manager.sql.database.sqlite import BUSY_TIMEOUT_SECONDS, prepare_sqlite_reader
from agent_session_manager.sql.database.url import file_of, not_supported, parse_url, shown
from agent_session_manager.sql.migrations.comparison import foreign_part

_ONLY_READING = {"postgresql_readonly": True}
_STEPS_AT_ONCE = 100_000
_STEPS_OF_ANY = 10_000_000
_STEPS_OF_A_BYTE = 20
"""To check and read a database of the smallest rows takes 1.3 steps of SQLite for each byte."""


@contextmanager
def reading_alone(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a SQLite file, also to one that a manager is writing to.

    Its schema is one that our migrations make. It cannot write and never checkpoints, not even
    when it is the last to close: the one connection that does belongs to the owner.

    Raises:
        DatabaseError: there is no such file, its schema is another, or reading it takes more steps
            than a file of its size can need: pages that point to each other have no end.
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
    with closing(connection), _bounded(connection, path):
        prepare_sqlite_reader(connection, None)
        foreign = foreign_part(connection)
        if foreign is not None:
            raise DatabaseError(
                f"{path} is not a database of agent-session-manager: its schema has {foreign}, "
                "which no version makes; it was left as it is"
            )
        yield connection


@contextmanager
def _bounded(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Let SQLite take as many steps as a file of this size can need, and no more."""
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
            f"{path} is damaged, or was made to keep its reader busy: reading it takes more steps "
            f"than {size} bytes can need; it was left as it is. Use another file, or a backup"
        ) from exc


@contextmanager
def reading_one_moment(url: str) -> Iterator[Connection]:
    """A transaction that sees the database as it is when it first reads, and changes nothing.

    A manager may serve meanwhile.

    Raises:
        DatabaseError: there is no such database, or it cannot be reached.
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
