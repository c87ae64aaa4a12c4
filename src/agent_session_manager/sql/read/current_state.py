"""The current state of a session, read within the transaction that changes it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from agent_session_manager.domain.errors import SessionNotFoundError
from agent_session_manager.domain.sessions.session import RunState, Session
from agent_session_manager.sql.read.descendants import to_session
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import runs, sessions

NEWEST_RUN_STATE = (
    runs.c.finished_at,
    runs.c.reason,
    runs.c.lease_holder,
    runs.c.imported,
)

_CURRENT = (
    select(sessions, *NEWEST_RUN_STATE)
    .join_from(sessions, runs, rows.WITH_NEWEST_RUN)
    .where(sessions.c.session_id == bindparam("session_id"))
    .with_for_update(of=sessions)
)
_WHOLE = rows.WHOLE_SESSIONS.where(sessions.c.session_id == bindparam("session_id"))


def find_current(connection: Connection, session_id: str) -> Row[Any] | None:
    """Return the session's row with the state of its newest run, and lock it."""
    return connection.execute(_CURRENT, {"session_id": session_id}).one_or_none()


def get_current(connection: Connection, session_id: str) -> Row[Any]:
    found = find_current(connection, session_id)
    if found is None:
        raise SessionNotFoundError(session_id)
    return found


def get_whole(connection: Connection, session_id: str) -> Session:
    """Return the session as this transaction sees it."""
    return to_session(connection, connection.execute(_WHOLE, {"session_id": session_id}).one())


def newest_run(row: Any) -> RunState:
    """Return the state of the newest run from a row with its columns."""
    return RunState(
        run=row.last_run,
        finished=row.finished_at is not None,
        reason=rows.to_reason(row.reason),
        holder=row.lease_holder,
        imported=bool(row.imported),
    )
