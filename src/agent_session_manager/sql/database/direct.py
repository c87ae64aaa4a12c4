"""Statements that SQLite's driver executes without SQLAlchemy.

SQLAlchemy needs several times as long as SQLite for a short statement. So the statements that every
append needs are compiled once, and go directly to the driver. With PostgreSQL the way to the server
takes longer than both, and they are executed as usual.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Executable, make_url
from sqlalchemy.exc import DBAPIError


def read(
    connection: Connection, query: Executable, parameters: Mapping[str, Any]
) -> Sequence[Sequence[Any]]:
    """Return all rows of a query of numbers and texts."""
    if connection.dialect.name != "sqlite":
        return connection.execute(query, parameters).all()
    text, parameters_of = _compiled(query)
    with _cursor(connection, text) as cursor:
        found: list[tuple[Any, ...]] = cursor.execute(text, parameters_of(parameters)).fetchall()
    return found


def write(
    connection: Connection, statement: Executable, parameters: Sequence[Mapping[str, Any]]
) -> None:
    """Execute a statement once for each of `parameters`."""
    if connection.dialect.name != "sqlite":
        connection.execute(statement, parameters)
        return
    text, parameters_of = _compiled(statement)
    with _cursor(connection, text) as cursor:
        cursor.executemany(text, [parameters_of(each) for each in parameters])


def write_text(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> int:
    """Execute a statement in the form of the driver; return the number of changed rows."""
    if connection.dialect.name != "sqlite":
        return connection.exec_driver_sql(statement, tuple(parameters)).rowcount
    with _cursor(connection, statement) as cursor:
        cursor.execute(statement, parameters)
        changed: int = cursor.rowcount
    return changed


@lru_cache
def _compiled(statement: Executable) -> tuple[str, Callable[[Mapping[str, Any]], Sequence[Any]]]:
    """Return the text of a statement, and a function that puts its parameters into their order.

    All databases of a process share them.
    """
    dialect = make_url("sqlite+pysqlite://").get_dialect()()
    compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    names, own = tuple(compiled.positiontup), compiled.params

    def in_order(given: Mapping[str, Any]) -> Sequence[Any]:
        known = {**own, **given}
        return [known[name] for name in names]

    return str(compiled), in_order


@contextmanager
def _cursor(connection: Connection, statement: str) -> Iterator[Any]:
    """Yield a cursor of the driver, whose errors are raised as SQLAlchemy raises them."""
    cursor = connection.connection.cursor()
    try:
        yield cursor
    except sqlite3.Error as exc:
        raise DBAPIError.instance(
            statement, None, exc, sqlite3.Error, hide_parameters=True, dialect=connection.dialect
        ) from exc
    finally:
        cursor.close()
