"""URLs of databases: what they lead to, and how they are shown."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from agent_session_manager.sql.database.errors import DatabaseError
from agent_shared.sqlite_url import path_in, sqlite_url

POSTGRESQL = "postgresql+psycopg"


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
