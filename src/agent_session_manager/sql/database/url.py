"""URLs of databases: parsing them, and showing them without a password."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from agent_session_manager.sql.database.errors import DatabaseError
from agent_shared.sqlite_url import path_in, sqlite_url

POSTGRESQL = "postgresql+psycopg"
_SHOWN_PARAMETERS = ("application_name", "dbname", "host", "hostaddr", "port", "sslmode", "user")
"""Parameters of a URL that are shown. Others can be secret, such as `password`."""


def sqlite_path(url: str) -> Path:
    """Return the SQLite file of an SQLAlchemy URL.

    Raises:
        DatabaseError: the URL is not that of a SQLite database.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise DatabaseError(
            f"{shown(parsed)} is not SQLite: back up, check and restore PostgreSQL with its "
            "tools pg_dump, pg_amcheck and pg_restore"
        )
    return file_of(parsed)


def not_supported(kind: str) -> DatabaseError:
    return DatabaseError(f"{kind} is not supported: use sqlite:///PATH or postgresql://…")


def parse_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as exc:  # ValueError: the port is not a number
        told = re.sub(r"(?s)^(\w+:/+)?.*@", r"\1***@", url)  # it may have a password
        told = re.sub(r"(?s)\?.*", "?***", told)
        raise DatabaseError(f"not a database URL: {told!r}") from exc
    if parsed.host and "@" in parsed.host:  # the driver would name this host, with the password
        raise DatabaseError("a database URL with more than one @: write an @ of a password as %40")
    path = path_in(url)  # SQLAlchemy replaces bytes that are not UTF-8
    return parsed if path is None else parsed.set(database=str(path))


def shown(url: URL) -> str:
    """Return a URL without a password, in ASCII only, that can be parsed again."""
    return _text_of(url, hide_password=True)


def complete(url: URL) -> str:
    """Return a URL with its password, if any, in ASCII only, that can be parsed again."""
    return _text_of(url, hide_password=False)


def _text_of(url: URL, *, hide_password: bool) -> str:
    if url.get_backend_name() == "sqlite" and url.database:
        return sqlite_url(Path(url.database))
    if hide_password:
        hidden = {key: "hidden" for key in url.query if key not in _SHOWN_PARAMETERS}
        url = url.update_query_dict(hidden)
    return url.render_as_string(hide_password=hide_password)


def file_of(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise DatabaseError("a SQLite database needs a file: sqlite:///PATH")
    if "\0" in url.database:
        raise DatabaseError(f"a path cannot contain NUL: {shown(url)}")
    return Path(url.database)
