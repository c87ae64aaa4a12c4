"""Retention in SQL: who is due, and what is archived and deleted. Promise 13 of the store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, literal, or_, select, update

from agent_session_manager.sql.read.descendants import tell_above
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import runs, sessions, transcripts
from agent_session_manager.sql.write.positions import take_positions
from agent_session_manager.sql.write.transcripts import delete_transcripts_of
from agent_session_manager.store.retention import (
    ArchiveSessions,
    DeleteArchived,
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
    """Reads through connections that `read` lends."""

    def __init__(self, read: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._read = read

    def find_due(self, change: type[RetentionChange], before: datetime, *, limit: int) -> list[Due]:
        query = _due(change, rows.to_microseconds(before)).limit(limit)
        with self._read() as connection:
            found = connection.execute(query).all()
        return [Due(session_id=row.session_id, rows=int(row.weight)) for row in found]


def archive_sessions(connection: Connection, change: ArchiveSessions, *, now: int) -> list[str]:
    """As somebody would who archives them: their names are free from then on."""
    due = _still_due(connection, change)
    position = take_positions(connection, len(due)) if due else 0
    for place, session_id in enumerate(due):
        connection.execute(
            update(sessions)
            .where(sessions.c.session_id == session_id)
            .values(
                archived_at=now,
                reserved_project=None,
                reserved_name=None,
                changed_position=position + place,
            )
        )
    if due:
        numbers = connection.scalars(
            select(sessions.c.number).where(sessions.c.session_id.in_(due))
        )
        tell_above(connection, numbers)
    return due


def delete_archived(
    connection: Connection, change: DeleteArchived, delete_one: Callable[[str], object]
) -> list[str]:
    """As somebody would who deletes them: `delete_one` does, and tells the feeds."""
    due = _still_due(connection, change)
    for session_id in due:
        delete_one(session_id)
    return due


def delete_transcripts(connection: Connection, change: DeleteTranscripts) -> list[str]:
    due = _still_due(connection, change)
    for session_id in due:
        delete_transcripts_of(connection, session_id)
    return due


def _still_due(connection: Connection, change: RetentionChange) -> list[str]:
    of = transcripts if isinstance(change, DeleteTranscripts) else sessions
    query = _due(type(change), rows.to_microseconds(change.before))
    query = query.where(of.c.session_id.in_(change.session_ids))
    return [row.session_id for row in connection.execute(query)]


def _due(change: type[RetentionChange], before: int) -> Select[Any]:
    """The sessions that a change of this kind is about, those first that waited longest."""
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
