"""Archiving and deleting for retention, in SQL. Promise 13 of the store."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, select, update

from agent_session_manager.sql.read.retention import due
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import sessions, transcripts
from agent_session_manager.sql.write.derived.ancestors import tell_above
from agent_session_manager.sql.write.derived.positions import take_positions
from agent_session_manager.sql.write.derived.sums import Sums
from agent_session_manager.sql.write.transcripts import delete_transcripts_of
from agent_session_manager.store.retention import (
    ArchiveSessions,
    DeleteArchived,
    DeleteTranscripts,
    RetentionChange,
)


def archive_sessions(
    connection: Connection, change: ArchiveSessions, *, now: int, sums: Sums
) -> list[str]:
    """Archive those sessions that are still due, as a user would: their names become free."""
    found = _still_due(connection, change)
    if not found:
        return found
    numbers = connection.scalars(
        select(sessions.c.number).where(sessions.c.session_id.in_(found))
    ).all()
    sums.note_sessions(numbers)
    position = take_positions(connection, len(found))
    for place, session_id in enumerate(found):
        connection.execute(
            update(sessions)
            .where(sessions.c.session_id == session_id)
            .values(
                archived_at=now,
                attention=None,
                reserved_project=None,
                reserved_name=None,
                changed_position=position + place,
            )
        )
    tell_above(connection, numbers)
    return found


def delete_archived(
    connection: Connection, change: DeleteArchived, delete_one: Callable[[str], object]
) -> list[str]:
    """Delete those sessions that are still due; `delete_one` also records it in the feed."""
    found = _still_due(connection, change)
    for session_id in found:
        delete_one(session_id)
    return found


def delete_transcripts(connection: Connection, change: DeleteTranscripts) -> list[str]:
    found = _still_due(connection, change)
    for session_id in found:
        delete_transcripts_of(connection, session_id)
    return found


def _still_due(connection: Connection, change: RetentionChange) -> list[str]:
    of = transcripts if isinstance(change, DeleteTranscripts) else sessions
    query = due(type(change), rows.to_microseconds(change.before))
    query = query.where(of.c.session_id.in_(change.session_ids))
    return [row.session_id for row in connection.execute(query)]
