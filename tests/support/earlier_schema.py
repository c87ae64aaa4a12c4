"""Databases of an earlier schema revision, with sessions and events."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from sqlalchemy import MetaData, Table, insert, text

from agent_session_manager.sql.database.engines.open import open_database
from agent_session_manager.sql.migrations.run import run_migrations

BEFORE_SUMS = "0007"
"""The last revision without derived sums: the migration to the next one derives them."""
BEFORE_SUMS_OF_REQUESTS = "0010"
"""The last revision whose sums have all usage at the start of its run."""

_SESSION = text(
    "INSERT INTO sessions (session_id, generation, session_name, created_at, last_activity_at,"
    " status, last_run, last_seq, unique_name) VALUES (CAST(:id AS TEXT), CAST(:id AS TEXT),"
    " CAST(:id AS TEXT), 1, 1, 'finished', 1, :n, false)"
)
_RUN = text("INSERT INTO runs (session_number, run, started_at) VALUES (:number, 1, 1)")
_EVENT = text(
    "INSERT INTO events (session_number, seq, run, late, event_type, recorded_at, fields)"
    " VALUES (:number, :seq, 1, false, 'some', 1, '{}')"
)


def make_database(url: str, revision: str, *, sessions: int = 1, events: int = 3) -> None:
    """Create a database of this revision, with `sessions` sessions of `events` events each."""
    database = open_database(url)
    try:
        with database.writing.begin() as connection:
            run_migrations(connection, min(revision, BEFORE_SUMS))
            for number in range(1, sessions + 1):
                connection.execute(_SESSION, {"id": f"s{number}", "n": events})
                connection.execute(_RUN, {"number": number})
                rows = [{"number": number, "seq": seq} for seq in range(1, events + 1)]
                connection.execute(_EVENT, rows)
            run_migrations(connection, revision)
    finally:
        database.close()


def make_earlier(
    url: str, *tables: tuple[Table, list[dict[str, Any]]], revision: str = BEFORE_SUMS
) -> None:
    """Create a database of this revision, with these rows, and without derived sums.

    They are rows of the newest revision: columns that the earlier one lacks are left out.
    """
    database = open_database(url)
    with closing(database), database.writing.begin() as connection:
        run_migrations(connection, revision)
        for table, rows in tables:
            earlier = Table(table.name, MetaData(), autoload_with=connection)
            connection.execute(insert(earlier), [_earlier_row(row, earlier) for row in rows])


def _earlier_row(row: dict[str, Any], table: Table) -> dict[str, Any]:
    if "cost_microdollars" in table.c:
        row = {**row, "cost_microdollars": row["cost_nanodollars"] // 1000}
    return {name: value for name, value in row.items() if name in table.c}
