"""Lists of sessions: filters, sort orders and pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import partial
from operator import eq
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
)

from agent_session_manager.domain.errors import InvalidRequestError, SessionNotFoundError
from agent_session_manager.domain.sessions.session import Reason, Session, Status, state_after
from agent_session_manager.sql.read.descendants import to_session, to_sessions
from agent_session_manager.sql.read.families import is_below
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import AGENT, notices, runs, sessions
from agent_session_manager.store.queries import (
    Mark,
    Order,
    SessionFilter,
    SessionPage,
    SessionSort,
)

TEXTS = (
    sessions.c.session_name,
    sessions.c.project_dir,
    AGENT,
    sessions.c.session_id,
)
"""What the filter `text` searches."""

# Sorts after every character that an id can contain.
_AFTER_ANY_ID = "~"

_SORTED_BY: dict[SessionSort, ColumnElement[Any]] = {
    SessionSort.CREATED: sessions.c.list_order,
    SessionSort.ACTIVITY: sessions.c.last_activity_at,
    SessionSort.NAME: sessions.c.session_name,
    SessionSort.COST: sessions.c.cost_nanodollars,
    SessionSort.TOOK: sessions.c.took_microseconds,
}
"""The first column of each order. The second is the number of the session, which is unique."""

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
    order: Order | None,
    after: Mark | None,
) -> SessionPage:
    """Read one page: the sessions past `after` in the order.

    Raises:
        InvalidRequestError: `after` is not a mark of this order.
    """
    column, number = _SORTED_BY[sort], sessions.c.number
    is_down = order is Order.DESCENDING if order else sort is not SessionSort.NAME
    sorted_by = [each.desc() if is_down else each for each in (column, number)]
    of_page = select(number).where(*conditions(where)).correlate(None)
    if after is not None:
        if [type(value) for value in after] != [column.type.python_type, int]:
            raise InvalidRequestError("page must be the `next_page` of a page in the same order")
        of_page = of_page.where(_is_past(column, after, is_down=is_down))
    # Only the sessions of the page are read whole, also if all must be sorted.
    query = rows.WHOLE_SESSIONS.where(number.in_(of_page.order_by(*sorted_by).limit(limit + 1)))
    query = query.add_columns(column.label("mark"), number.label("mark_number"))
    query = query.order_by(*sorted_by)
    found = connection.execute(query).all()
    page = found[:limit]
    return SessionPage(
        sessions=to_sessions(connection, page),
        next_page=tuple(page[-1][-2:]) if len(found) > limit else None,
    )


def count_sessions(connection: Connection, where: SessionFilter) -> int:
    """Return the number of all sessions that pass a filter."""
    query = select(func.count()).select_from(sessions).where(*conditions(where))
    return connection.scalars(query).one()


def _is_past(column: ColumnElement[Any], mark: Mark, *, is_down: bool) -> ColumnElement[bool]:
    """Compare the place of a session in an order with a mark, as tuples are compared."""
    at, number = mark
    if is_down:
        rest = or_(column < at, sessions.c.number < number)
        return and_(column <= at, rest)  # the first condition alone is a range of the index
    return and_(column >= at, or_(column > at, sessions.c.number > number))


def conditions(where: SessionFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of a filter on the rows of `sessions`."""
    conditions = [
        make(value)
        for name, make in _CONDITIONS.items()
        if (value := getattr(where, name)) is not None
    ]
    # A definition's name is also the agent, which has an index.
    return conditions + [eq(AGENT, agent) for agent in {where.agent, where.agent_name} - {None}]


def _is(condition: ColumnElement[bool]) -> Callable[[bool], ColumnElement[bool]]:
    return lambda wanted: condition if wanted else ~condition


def _is_one_of(column: ColumnElement[Any], values: Iterable[StrEnum]) -> ColumnElement[bool]:
    some = [value.value for value in values]
    return column == some[0] if len(some) == 1 else column.in_(some)


def _has(column: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """Return whether a column contains a text, in any case. No index can be used."""
    return column.icontains(part, autoescape=True)


def _ended_by(reasons: Sequence[Reason]) -> ColumnElement[bool]:
    # The states in which these ends leave a session have an index.
    states = _is_one_of(sessions.c.state, dict.fromkeys(map(state_after, reasons)))
    return and_(states, _NEWEST_RUN.where(_is_one_of(runs.c.reason, reasons)))


def _has_id_prefix(prefix: str) -> ColumnElement[bool]:
    return and_(sessions.c.session_id >= prefix, sessions.c.session_id < prefix + _AFTER_ANY_ID)


_NEWEST_RUN = exists().where(rows.WITH_NEWEST_RUN).correlate(sessions)
_TOLD = select(notices.c.parent_number).where(notices.c.delivered_at.is_(None))
_EQUAL = ("session_id", "session_name", "project_dir", "agent_name", "executor", "status") + (
    *("parent_session_id", "host"),
)
_CONDITIONS: dict[str, Callable[[Any], ColumnElement[bool]]] = {
    **{name: partial(eq, sessions.c[name]) for name in _EQUAL},
    **{name: partial(_is_one_of, sessions.c[name]) for name in ("state", "attention")},
    "id_prefix": _has_id_prefix,
    "archived": _is(sessions.c.archived_at.is_not(None)),
    "top_level": _is(sessions.c.parent_session_id.is_(None)),
    "has_notices": _is(sessions.c.number.in_(_TOLD)),
    "denied": _is(_NEWEST_RUN.where(runs.c.denied_calls > 0)),
    "reason": _ended_by,
    "family_of": is_below,
    "since": lambda moment: sessions.c.last_activity_at >= rows.to_microseconds(moment),
    "until": lambda moment: sessions.c.last_activity_at < rows.to_microseconds(moment),
    "cost_over": lambda cost: sessions.c.cost_nanodollars > cost,
    "model": partial(_has, rows.MODEL),
    "project": partial(_has, sessions.c.project_dir),
    "text": lambda text: or_(*(_has(column, text) for column in TEXTS)),
    "among": lambda numbers: sessions.c.number.in_(sorted(numbers)),
}
"""The condition of each field of a filter but `agent`, made of its value."""


def one(connection: Connection, query: Select[Any], session_id: str) -> Row[Any]:
    """Return the one row of a query by `session_id`.

    Raises:
        SessionNotFoundError: there is no row.
    """
    found = connection.execute(query, {"session_id": session_id}).one_or_none()
    if found is None:
        raise SessionNotFoundError(session_id)
    return found
