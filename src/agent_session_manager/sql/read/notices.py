"""Notices: those that are due, their text, and the outlook of a session."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    and_,
    bindparam,
    case,
    distinct,
    exists,
    func,
    literal,
    or_,
    select,
)

from agent_session_manager.domain.errors import EventDamagedError, NoResultError
from agent_session_manager.domain.sessions.notice import (
    MAX_AUTOMATIC_RUNS,
    MAX_WINDOW_SECONDS,
    WINDOW_SECONDS,
    Batch,
    Due,
    EndedRun,
    Hold,
    Outlook,
    hold_of,
    notice_text,
)
from agent_session_manager.domain.sessions.session import Reason
from agent_session_manager.sql.read.current_state import NEWEST_RUN_STATE
from agent_session_manager.sql.read.events import get_answer
from agent_session_manager.sql.read.families import MAX_LEVELS
from agent_session_manager.sql.read.sessions import NUMBER, one
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import notices, runs, sessions

_WINDOW, _MAX_WINDOW = (int(s * 1_000_000) for s in (WINDOW_SECONDS, MAX_WINDOW_SECONDS))

IS_UNDELIVERED = notices.c.delivered_at.is_(None)
IS_PENDING = and_(IS_UNDELIVERED, notices.c.batch_id.is_(None))
_pending_since = case((notices.c.batch_id.is_(None), notices.c.created_at))
_UNDELIVERED = (
    select(
        notices.c.parent_number,
        func.count().label("undelivered"),
        func.min(_pending_since).label("oldest"),
        func.max(_pending_since).label("newest"),
        func.max(func.coalesce(notices.c.offered_run, 0)).label("offered_run"),
        func.max(func.coalesce(notices.c.refused_run, 0)).label("refused_run"),
    )
    .where(IS_UNDELIVERED)
    .group_by(notices.c.parent_number)
    .subquery()
)
_PARENT_COLUMNS = (
    sessions.c.number,
    sessions.c.session_id,
    sessions.c.last_run,
    sessions.c.archived_at,
    sessions.c.automatic_runs,
    *NEWEST_RUN_STATE,
)
_PARENTS = (
    select(*_PARENT_COLUMNS, _UNDELIVERED)
    .join_from(sessions, runs, rows.WITH_NEWEST_RUN)
    .join(_UNDELIVERED, _UNDELIVERED.c.parent_number == sessions.c.number)
    .where(_UNDELIVERED.c.oldest.is_not(None))
    .order_by(sessions.c.number)
)
_children = sessions.alias("children")
_child_runs = runs.alias("child_runs")
_CAN_GO_ON = and_(
    _child_runs.c.reason == Reason.COMPLETED.value,
    _children.c.archived_at.is_(None),
    _children.c.automatic_runs < MAX_AUTOMATIC_RUNS,
    ~_child_runs.c.imported,
)
_NOTIFYING = and_(
    _child_runs.c.session_number == _children.c.number,
    _child_runs.c.run == _children.c.last_run,
    _child_runs.c.notify,
)
_CHILD_COLUMNS = (
    _children.c.number,
    _children.c.session_id,
    _child_runs.c.finished_at,
    _CAN_GO_ON.label("can_go_on"),
)
_above = sessions.alias("above")
_line = (
    select(_children.c.number.label("child"), *_CHILD_COLUMNS, literal(1).label("level"))
    .join_from(_children, _child_runs, _NOTIFYING)
    .join(
        _above,
        and_(
            _above.c.session_id == _children.c.parent_session_id,
            _above.c.number < _children.c.number,
        ),
    )
    .where(_above.c.session_id == bindparam("session_id"))
    .cte("line", recursive=True)
)
# A child that has ended continues automatically if it awaits others. Its next run notifies too.
_line = _line.union(
    select(_line.c.child, *_CHILD_COLUMNS, _line.c.level + 1)
    .join_from(_children, _child_runs, _NOTIFYING)
    .join(
        _line,
        and_(
            _line.c.session_id == _children.c.parent_session_id,
            _line.c.number < _children.c.number,
            _line.c.can_go_on,
            _line.c.level < MAX_LEVELS,
        ),
    )
)
_AWAITED = (
    select(func.count(distinct(_line.c.child)))
    .where(
        or_(
            _line.c.finished_at.is_(None),
            and_(
                _line.c.can_go_on,
                exists().where(notices.c.parent_number == _line.c.number, IS_UNDELIVERED),
            ),
        )
    )
    .scalar_subquery()
)
_OWN = notices.c.parent_number == sessions.c.number
_OUTLOOK = (
    select(
        *_PARENT_COLUMNS,
        _AWAITED.label("awaited"),
        *(
            select(figure).where(_OWN, IS_UNDELIVERED).scalar_subquery().label(name)
            for name, figure in (
                ("undelivered", func.count()),
                ("oldest", func.min(_pending_since)),
                ("newest", func.max(_pending_since)),
            )
        ),
    )
    .join_from(sessions, runs, rows.WITH_NEWEST_RUN)
    .where(sessions.c.session_id == bindparam("session_id"))
)
_BATCH = (
    select(
        notices.c.batch_id,
        notices.c.run,
        notices.c.reason,
        notices.c.correction,
        runs.c.exit_code,
        runs.c.answer_seq,
        sessions.c.number,
        sessions.c.session_id,
        sessions.c.session_name,
    )
    .join_from(notices, sessions, sessions.c.number == notices.c.session_number)
    .join(
        runs,
        and_(runs.c.session_number == notices.c.session_number, runs.c.run == notices.c.run),
    )
    .where(
        notices.c.parent_number == bindparam("of"),
        IS_UNDELIVERED,
        notices.c.offered_run == bindparam("in_run"),
    )
    .order_by(notices.c.number)
)
_IS_NEWS = select(literal(1)).where(
    notices.c.parent_number == bindparam("of"),
    IS_PENDING,
    notices.c.session_number == sessions.c.number,
    sessions.c.session_id == bindparam("session_id"),
)


class SqlNotices:
    """Reads through connections from `read`, at the time of `clock`."""

    def __init__(
        self,
        read: Callable[[], AbstractContextManager[Connection]],
        clock: Callable[[], datetime],
    ) -> None:
        self._read = read
        self._clock = clock

    def find_due(self) -> Due:
        with self._read() as connection:
            found = list[Row[Any]](connection.execute(_PARENTS))
        now = rows.to_microseconds(self._clock())
        told = [row for row in found if _can_be_told(row)]
        due = [row for row in told if _is_gathered(row, now)]
        return Due(
            running=[row.session_id for row in due if row.finished_at is None],
            ended=[row.session_id for row in due if row.finished_at is not None],
            is_gathering=len(due) < len(told),
        )

    def get_outlook(self, session_id: str) -> Outlook:
        with self._read() as connection:
            row = one(connection, _OUTLOOK, session_id)
        now = rows.to_microseconds(self._clock())
        return Outlook(
            newest_run=row.last_run,
            awaited=row.awaited,
            undelivered=row.undelivered,
            is_due=row.oldest is not None and _is_gathered(row, now),
            hold=_hold_of(row),
        )

    def get_batch(self, session_id: str, run: int) -> Batch | None:
        with self._read() as connection:
            number = one(connection, NUMBER, session_id).number
            return read_batch(connection, number, run)

    def is_news(self, parent_number: int, session_id: str) -> bool:
        with self._read() as connection:
            which = {"of": parent_number, "session_id": session_id}
            return connection.scalar(_IS_NEWS, which) is not None


def read_batch(connection: Connection, number: int, run: int) -> Batch | None:
    """Return the notices that are offered to a run of the session with this number."""
    found = list[Row[Any]](connection.execute(_BATCH, {"of": number, "in_run": run}))
    if not found:
        return None
    return Batch(
        batch_id=found[0].batch_id, text=notice_text([_ended(connection, row) for row in found])
    )


def _ended(connection: Connection, row: Row[Any]) -> EndedRun:
    answer = None
    if row.answer_seq is not None:
        try:
            answer = get_answer(connection, row.session_id, row.number, row.answer_seq)
        except (EventDamagedError, NoResultError):
            answer = None
    return EndedRun(
        session_id=row.session_id,
        session_name=row.session_name,
        run=row.run,
        reason=rows.to_reason(row.reason) or Reason.FAILED,
        is_correction=row.correction > 0,
        exit_code=row.exit_code,
        answer=answer,
    )


def _can_be_told(row: Row[Any]) -> bool:
    """Return whether the newest run of the parent takes notices, or its next run may."""
    if row.finished_at is not None:
        return _hold_of(row) is None and not row.imported
    is_driven = row.lease_holder is not None and not row.imported
    return is_driven and row.last_run not in (row.offered_run, row.refused_run)


def _hold_of(row: Row[Any]) -> Hold | None:
    return hold_of(
        rows.to_reason(row.reason),
        archived=row.archived_at is not None,
        automatic_runs=row.automatic_runs,
    )


def _is_gathered(row: Row[Any], now: int) -> bool:
    """Return whether the window of the pending notices has ended, also after a clock change."""
    quiet: int = now - row.newest
    waiting: int = now - row.oldest
    return quiet < 0 or quiet >= _WINDOW or waiting >= _MAX_WINDOW
