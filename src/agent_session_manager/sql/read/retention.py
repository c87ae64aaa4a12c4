"""The query for sessions that retention may archive or delete. Promise 13 of the store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, literal, or_, select

from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import runs, sessions, transcripts
from agent_session_manager.store.retention import (
    ArchiveSessions,
    DeleteTranscripts,
    Due,
    RetentionChange,
)

_child = sessions.alias()
_other = transcripts.alias()

_IS_HELD = (
    select(literal(1))
    .where(runs.c.session_number == sessions.c.number, runs.c.lease_expires_at.is_not(None))
    .exists()
)
_HAS_A_LIVING_CHILD = (
    select(literal(1))
    .where(
        _child.c.parent_session_id == sessions.c.session_id,
        or_(_child.c.archived_at.is_(None), _child.c.status == "running"),
    )
    .exists()
)
_LINES = (
    select(func.coalesce(func.sum(transcripts.c.last_position), 0))
    .where(transcripts.c.session_id == sessions.c.session_id)
    .scalar_subquery()
)
_RUNNING = select(literal(1)).where(
    sessions.c.session_id == transcripts.c.session_id,
    or_(sessions.c.status == "running", _IS_HELD),
)


class SqlRetention:
    """Reads through connections from `read`."""

    def __init__(self, read: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._read = read

    def find_due(self, change: type[RetentionChange], before: datetime, *, limit: int) -> list[Due]:
        query = due(change, rows.to_microseconds(before)).limit(limit)
        with self._read() as connection:
            found = connection.execute(query).all()
        return [Due(session_id=row.session_id, rows=int(row.weight)) for row in found]


def due(change: type[RetentionChange], before: int) -> Select[Any]:
    """Return the query for sessions that are due for a kind of change, longest idle first."""
    if change is DeleteTranscripts:
        return (
            select(transcripts.c.session_id, func.sum(transcripts.c.last_position).label("weight"))
            .where(~_RUNNING.exists())
            .group_by(transcripts.c.session_id)
            .having(func.max(transcripts.c.updated_at) <= before)
            .order_by(func.max(transcripts.c.updated_at), transcripts.c.session_id)
        )
    query = select(sessions.c.session_id, (sessions.c.last_seq + _LINES).label("weight")).where(
        sessions.c.status == "finished",
        sessions.c.last_activity_at <= before,
        ~_IS_HELD,
        ~_HAS_A_LIVING_CHILD,
    )
    is_archived = sessions.c.archived_at <= before
    if change is ArchiveSessions:
        is_archived = sessions.c.archived_at.is_(None)
    return query.where(is_archived).order_by(sessions.c.last_activity_at, sessions.c.number)
