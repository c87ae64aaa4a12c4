"""Opening a database by its URL."""

from __future__ import annotations

from agent_session_manager.sql.database.database import Database
from agent_session_manager.sql.database.engines.postgresql import open_postgresql
from agent_session_manager.sql.database.engines.sqlite import open_sqlite
from agent_session_manager.sql.database.url import not_supported, parse_url


def open_database(url: str) -> Database:
    """Open the database at an SQLAlchemy URL, `sqlite:///PATH` or `postgresql://…`.

    Raises:
        DatabaseError: the URL is of neither kind, or the file is in use by another process or
            cannot be used.
    """
    parsed = parse_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return open_sqlite(parsed)
        case "postgresql":
            return open_postgresql(parsed)
        case other:
            raise not_supported(other)
