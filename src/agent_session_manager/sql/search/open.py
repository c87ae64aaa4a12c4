"""The search index of a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from agent_session_manager.sql.database.database import Database
from agent_session_manager.sql.database.engines.postgresql import postgresql_engine
from agent_session_manager.sql.database.engines.sqlite import reading_engine
from agent_session_manager.sql.database.errors import connected
from agent_session_manager.sql.database.url import file_of, parse_url
from agent_session_manager.sql.search.postgresql.index import PostgresqlIndex
from agent_session_manager.sql.search.sqlite.index import SqliteIndex
from agent_session_manager.store.search import SearchIndex

Read = Callable[[], AbstractContextManager[Connection]]


def open_index(database: Database, read: Read, *, clock: Callable[[], datetime]) -> SearchIndex:
    """Return the index of a database. It reads the record through connections from `read`."""
    return _index_of(database.url, database.path, read, clock)


@contextmanager
def opened_to_index(url: str) -> Iterator[SearchIndex]:
    """Open only the index of a database, which a manager has open and owns; its path is whole."""
    parsed = parse_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    engine = reading_engine(parsed, 1) if is_sqlite else postgresql_engine(parsed, 1)
    path = file_of(parsed) if is_sqlite else None
    read = partial(connected, engine)
    try:
        with closing(_index_of(parsed, path, read, lambda: datetime.now(UTC))) as index:
            yield index
    finally:
        engine.dispose()


def _index_of(
    url: URL, path: Path | None, read: Read, clock: Callable[[], datetime]
) -> SearchIndex:
    if path is None:
        return PostgresqlIndex(url, read, clock=clock)
    return SqliteIndex(path, read, clock=clock)
