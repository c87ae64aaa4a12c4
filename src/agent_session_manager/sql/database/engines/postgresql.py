"""PostgreSQL: connections, and one writer at a time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL

from agent_session_manager.sql.database.change_notifications import Notices
from agent_session_manager.sql.database.database import Database, RawSql
from agent_session_manager.sql.database.engines.sqlite import BUSY_TIMEOUT_SECONDS
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.database.url import POSTGRESQL
from agent_session_manager.store.protocol import READERS
from agent_shared.install_advice import install_command

_WRITING = 0x414F  # "AO": the number of an advisory lock, chosen by the application


def open_postgresql(url: URL) -> Database:
    url = url.set(drivername=POSTGRESQL)
    writing, reading, hearing = (postgresql_engine(url, size) for size in (1, READERS, 1))
    event.listen(writing, "begin", _begin_alone)
    return Database(url, writing, reading, notices=Notices(hearing))


def postgresql_engine(url: URL, size: int, **options: Any) -> Engine:
    said = f"-c synchronous_commit=on -c timezone=UTC -c lock_timeout={BUSY_TIMEOUT_SECONDS}s"
    try:
        return create_engine(
            url.set(drivername=POSTGRESQL),
            pool_size=size,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={"options": said},
            hide_parameters=True,
            **options,
        )
    except ModuleNotFoundError as exc:
        raise DatabaseError(
            "PostgreSQL needs its driver: " + install_command("psycopg[binary]")
        ) from exc


def _begin_alone(connection: RawSql) -> None:
    """Allow one writing manager at a time, as SQLite does.

    Row locks are not enough: after waiting for a row, a transaction reads the new version of that
    row, but old versions of the rows that are joined with it.
    """
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITING})")
