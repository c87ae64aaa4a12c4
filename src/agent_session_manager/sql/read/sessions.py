"""Lists of sessions: filters, sort orders and pages."""

from __future__ import annotations

from operator import eq
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, or_, select

from agent_session_manager.domain.errors import InvalidRequestError, SessionNotFoundError
from agent_session_manager.domain.session import Session, Status
from agent_session_manager.sql.read.descendants import to_session, to_sessions
from agent_session_manager.sql.read.families import is_below
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import AGENT, notices, sessions
from agent_session_manager.store.queries import Mark, SessionFilter, SessionPage, SessionSort

_EQUAL = (
    "session_id",
    "session_name",
    "project_dir",
    "agent_name",
    "executor",
    "status",
    "parent_session_id",
)
_SEARCHED = (
    sessions.c.session_name,
    sessions.c.project_dir,
    AGENT,
    sessions.c.session_id,
)

# Sorts after every character that an id can contain.
_AFTER_ANY_ID = "~"

# Sort columns, each with whether it is descending. The last column of each order is unique.
_ORDERS: dict[SessionSort, list[tuple[ColumnElement[Any], bool]]] = {
    SessionSort.CREATED: [(sessions.c.list_order, True), (sessions.c.number, True)],
    SessionSort.ACTIVITY: [(sessions.c.changed_position, True)],
    SessionSort.NAME: [(sessions.c.session_name, False), (sessions.c.number, False)],
    SessionSort.COST: [(sessions.c.cost_nanodollars, True), (sessions.c.number, True)],
}

_SESSION = rows.WHOLE_SESSIONS.where(sessions.c.session_id == bindparam("session_id"))
_STATUS = select(sessions.c.status).where(sessions.c.session_id == bindparam("session_id"))
NUMBER = select(sessions.c.number).where(sessions.c.session_id == bindparam("session_id"))
"""Query for the number of a session; use it with `one`."""


def get_session(connection: Connection, session_id: str) -> Session:
    return to_session(connection, one(connection, _SESSION, session_id))


def get_status(connection: Connection, session_id: str) -> Status:
    status = connection.scalar(_STATUS, {"session_id": session_id})
    if status is None:
        return "not_existent"
    return "running" if status == "running" else "finished"  # also if the status is damaged


def list_sessions(
    connection: Connection,
    where: SessionFilter,
    *,
    limit: int,
    sort: SessionSort,
    after: Mark | None,
) -> SessionPage:
    """Read one page: the sessions past `after` in the order.

    Raises:
        InvalidRequestError: `after` is not a mark of this order.
    """
    order = _ORDERS[sort]
    query = rows.WHOLE_SESSIONS.where(*conditions(where)).limit(limit + 1)
    query = query.order_by(*(column.desc() if down else column for column, down in order))
    if after is not None:
        if [type(value) for value in after] != [column.type.python_type for column, _ in order]:
            raise InvalidRequestError("page must be the `next_page` of a page in the same order")
        query = query.where(_is_past(order, after))
    found = connection.execute(_with_marks(query, order)).all()
    page = found[:limit]
    return SessionPage(
        sessions=to_sessions(connection, page),
        next_page=tuple(page[-1][-len(order) :]) if len(found) > limit else None,
    )


def _with_marks(query: Select[Any], order: list[tuple[ColumnElement[Any], bool]]) -> Select[Any]:
    marks = (column.label(f"mark_{place}") for place, (column, _) in enumerate(order))
    return query.add_columns(*marks)


def _is_past(order: list[tuple[ColumnElement[Any], bool]], mark: Mark) -> ColumnElement[bool]:
    """Compare as tuples are compared, but with a direction for each column."""
    (column, down), *others = order
    further = column < mark[0] if down else column > mark[0]
    if not others:
        return further
    # The first condition alone is a range of the index.
    at_or_further = column <= mark[0] if down else column >= mark[0]
    return and_(at_or_further, or_(further, _is_past(others, mark[1:])))


def conditions(where: SessionFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of a filter on the rows of `sessions`."""
    conditions = [
        sessions.c[name] == value for name in _EQUAL if (value := getattr(where, name)) is not None
    ]
    # A definition's name is also the agent, which has an index.
    conditions += [eq(AGENT, agent) for agent in {where.agent, where.agent_name} - {None}]
    if where.id_prefix is not None:
        conditions += [
            sessions.c.session_id >= where.id_prefix,
            sessions.c.session_id < where.id_prefix + _AFTER_ANY_ID,
        ]
    if where.archived is not None:
        is_archived = sessions.c.archived_at.is_not(None)
        conditions.append(is_archived if where.archived else ~is_archived)
    if where.top_level is not None:
        is_child = sessions.c.parent_session_id.is_not(None)
        conditions.append(~is_child if where.top_level else is_child)
    if where.has_notices is not None:
        told = select(notices.c.parent_number).where(notices.c.delivered_at.is_(None))
        has_notices = sessions.c.number.in_(told)
        conditions.append(has_notices if where.has_notices else ~has_notices)
    if where.state is not None:
        conditions.append(sessions.c.state == where.state.value)
    if where.attention is not None:
        conditions.append(sessions.c.attention.in_([kind.value for kind in where.attention]))
    if where.family_of is not None:
        conditions.append(is_below(where.family_of))
    if where.project is not None:
        conditions.append(_has(sessions.c.project_dir, where.project))
    if where.text is not None:
        conditions.append(or_(*(_has(searched, where.text) for searched in _SEARCHED)))
    return conditions


def _has(column: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """Return whether a column contains a text, in any case. No index can be used."""
    return column.icontains(part, autoescape=True)


def one(connection: Connection, query: Select[Any], session_id: str) -> Row[Any]:
    """Return the one row of a query by `session_id`.

    Raises:
        SessionNotFoundError: there is no row.
    """
    found = connection.execute(query, {"session_id": session_id}).one_or_none()
    if found is None:
        raise SessionNotFoundError(session_id)
    return found
