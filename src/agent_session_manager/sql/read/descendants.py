"""The descendants of a session: how many are running, are waiting, and have failed.

They are counted when a session is read. The counts are not stored, so they cannot become wrong. A
session counts for at most `LEVELS` levels of ancestors, which limits the work in a deep family.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, case, distinct, func, literal, select

from agent_session_manager.domain.sessions.session import REASONS, Session, State
from agent_session_manager.sql.read.attention import attention_of, shown_events
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import runs, sessions

LEVELS = 8
"""Number of levels below a session whose sessions are counted."""

_roots = select(
    sessions.c.number.label("root"),
    sessions.c.number,
    sessions.c.session_id,
    literal(0).label("level"),
).where(sessions.c.number.in_(bindparam("numbers", expanding=True)))
_below = _roots.cte("below", recursive=True)
_children = sessions.alias("children")
_below = _below.union(
    select(_below.c.root, _children.c.number, _children.c.session_id, _below.c.level + 1).join(
        _below,
        and_(_children.c.parent_session_id == _below.c.session_id, _below.c.level < LEVELS),
    )
)
_FAILURES = [reason.value for state in (State.FAILED, State.LOST) for reason in REASONS[state]]
_IS_FAILED = and_(runs.c.reason.in_(_FAILURES), sessions.c.archived_at.is_(None))
_IS_WAITING = sessions.c.state == State.WAITING.value
_COUNTS = (
    select(
        _below.c.root,
        func.count(distinct(case((runs.c.reason.is_(None), sessions.c.number)))).label("running"),
        func.count(distinct(case((_IS_FAILED, sessions.c.number)))).label("failed"),
        func.count(distinct(case((_IS_WAITING, sessions.c.number)))).label("waiting"),
    )
    .select_from(_below)
    .join(sessions, sessions.c.number == _below.c.number)
    .join(runs, rows.WITH_NEWEST_RUN)
    .where(_below.c.number != _below.c.root)
    .group_by(_below.c.root)
)

_line = (
    select(sessions.c.parent_session_id, sessions.c.number, literal(0).label("level"))
    .where(sessions.c.number.in_(bindparam("numbers", expanding=True)))
    .cte("line", recursive=True)
)
_parents = sessions.alias("parents")
_line = _line.union(
    select(_parents.c.parent_session_id, _parents.c.number, _line.c.level + 1).join(
        _line, and_(_parents.c.session_id == _line.c.parent_session_id, _line.c.level < LEVELS)
    )
)
_ANCESTORS = select(_line.c.number).distinct().where(_line.c.level > 0).order_by(_line.c.number)


def to_sessions(connection: Connection, found: Sequence[Row[Any]]) -> list[Session]:
    """Return the sessions in rows of `WHOLE_SESSIONS`, with the counts of their descendants."""
    parents = [row.number for row in found if row.child_count]
    counts = {}
    if parents:
        counted = connection.execute(_COUNTS, {"numbers": parents})
        counts = {row.root: (row.running, row.failed, row.waiting) for row in counted}
    shown = shown_events(connection, found)
    read = []
    for row in found:
        running, failed, waiting = counts.get(row.number, (0, 0, 0))
        session = rows.to_session(row)
        read.append(
            replace(
                session,
                children_running=running,
                children_failed=failed,
                children_waiting=waiting,
                attention=attention_of(row, session, shown.get(row.number)),
            )
        )
    return read


def to_session(connection: Connection, found: Row[Any]) -> Session:
    return to_sessions(connection, [found])[0]


def ancestors_of(connection: Connection, numbers: Iterable[int]) -> list[int]:
    """Return the numbers of the ancestors that count these sessions."""
    return list(connection.scalars(_ANCESTORS, {"numbers": list(numbers)}))
