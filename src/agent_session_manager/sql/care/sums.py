"""The derived values of a SQLite file: those that differ from the record, and their repair.

The statements are made when they are needed: each start of a manager imports this module.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import (
    ClauseElement,
    Select,
    Table,
    and_,
    delete,
    func,
    insert,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import sqlite

from agent_session_manager.domain.sessions.attention import AttentionKind
from agent_session_manager.domain.sessions.session import State
from agent_session_manager.sql.schema.derived import (
    DERIVED_OF_SESSIONS,
    all_facets,
    all_questions,
    all_usage_sums,
)
from agent_session_manager.sql.schema.tables import facets, questions, sessions, usage_sums

_HAS_SUMS = "SELECT 1 FROM sqlite_master WHERE name = 'ix_sessions_took'"
"""An earlier revision derives its values in another way: its migration derives them again."""
SHOWN_OF_A_KIND = 20
"""Maximum number of problems of one kind that are shown."""


def wrong_sums(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield a problem for each derived value that differs from the record.

    A database of an earlier revision is not checked.
    """
    if not _has_sums(connection):
        return
    for statement, text in _checks():
        found = connection.execute(statement)
        yield from (text.format(*row) for row in islice(found, SHOWN_OF_A_KIND))


@cache
def _checks() -> tuple[tuple[str, str], ...]:
    """Return the queries for wrong values, each with the text of its problem."""
    is_quiet = and_(
        sessions.c.attention == AttentionKind.QUIET.value, sessions.c.state == State.RUNNING.value
    )
    return (
        (
            _to_sql(_wrong_sessions("attention").where(is_quiet.is_not(True))),
            "session {0!r}: its attention should be {2!r}, and is {1!r}",
        ),
        *(
            (
                _to_sql(_wrong_sessions(name)),
                f"session {{0!r}}: its {name} should be {{2!r}}, and is {{1!r}}",
            )
            for name in DERIVED_OF_SESSIONS
            if name != "attention"
        ),
        (
            _to_sql(_in_one_only(questions, all_questions())),
            "questions: question {1!r} of session {0} is open in the record or in this table only",
        ),
        (
            _to_sql(_in_one_only(facets, all_facets())),
            "facets: the number of sessions of {0} {1!r} is wrong",
        ),
        (
            _to_sql(_in_one_only(usage_sums, all_usage_sums())),
            "usage_sums: the sums of agent {1!r} in hour {0} differ from the record",
        ),
    )


def _wrong_sessions(name: str) -> Select[Any]:
    """Return a query for the sessions with another value in a derived column than expected."""
    column, expected = sessions.c[name], DERIVED_OF_SESSIONS[name]
    return select(sessions.c.session_id, column, expected).where(column.op("IS NOT")(expected))


def rebuild_sums(connection: sqlite3.Connection) -> None:
    """Derive all values from the record again, in the transaction of the connection."""
    if not _has_sums(connection):
        return
    _fill(connection, questions, all_questions())
    connection.execute(_to_sql(update(sessions).values(DERIVED_OF_SESSIONS)))
    _fill(connection, facets, all_facets())
    _fill(connection, usage_sums, all_usage_sums())


def _fill(connection: sqlite3.Connection, table: Table, expected: Select[Any]) -> None:
    connection.execute(_to_sql(delete(table)))
    connection.execute(_to_sql(insert(table).from_select(table.c.keys(), expected)))


def _has_sums(connection: sqlite3.Connection) -> bool:
    return connection.execute(_HAS_SUMS).fetchone() is not None


def _in_one_only(table: Table, expected: Select[Any]) -> Select[Any]:
    """Return a query for the keys of rows that only a table has, or only the expected rows."""
    both = union_all(select(table), expected).subquery()
    key = (both.c[column.name] for column in table.primary_key)
    return select(*key).distinct().group_by(*both.c).having(func.count() != 2)


def _to_sql(statement: ClauseElement) -> str:
    options = {"literal_binds": True}
    return str(statement.compile(dialect=sqlite.dialect(), compile_kwargs=options))
