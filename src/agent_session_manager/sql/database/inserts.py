"""Inserts of many rows, a few statements for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection

from agent_session_manager.sql.database.direct import write_text

_ROWS_AT_ONCE = 100


def insert_rows(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    conflict: str = "",
) -> int:
    """Insert rows, and return how many were inserted. `conflict` is the clause about conflicts.

    Each statement inserts many rows and goes directly to the driver. During a statement other
    threads can run. With SQLAlchemy, each row would cost more than its insert.
    """
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    inserted = 0
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        statement = f"{_insert(table, tuple(columns), mark, len(some))} {conflict}"
        inserted += write_text(connection, statement, [*chain(*some)])
    return inserted


@lru_cache
def _insert(table: str, columns: tuple[str, ...], mark: str, count: int) -> str:
    """Return the statement that inserts `count` rows."""
    row = f"({', '.join(mark for _ in columns)})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * count)}"
