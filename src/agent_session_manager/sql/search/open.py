"""The search index of a database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import Connection

from agent_session_manager.sql.database.database import Database
from agent_session_manager.sql.search.postgresql_index import PostgresqlIndex
from agent_session_manager.sql.search.sqlite_index import SqliteIndex
from agent_session_manager.store.search import SearchIndex


def open_index(
    database: Database,
    read: Callable[[], AbstractContextManager[Connection]],
    *,
    clock: Callable[[], datetime],
) -> SearchIndex:
    """Return the index of a database. It reads the record through connections from `read`."""
    if database.path is None:
        return PostgresqlIndex(database.url, read, clock=clock)
    return SqliteIndex(database.path, read, clock=clock)
