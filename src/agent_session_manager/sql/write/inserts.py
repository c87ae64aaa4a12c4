"""Inserts of many rows, a few statements for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection

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
    row = f"({', '.join(mark for _ in columns)})"
    inserted = 0
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        values = ", ".join([row] * len(some))
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values} {conflict}"
        inserted += connection.exec_driver_sql(statement, tuple(chain(*some))).rowcount
    return inserted
