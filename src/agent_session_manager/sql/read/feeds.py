"""Reads for feeds, in SQL for both databases."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, select, true

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import CursorUnknownError, SessionNotFoundError
from agent_session_manager.domain.events.event import Event
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.sql.read.descendants import to_session, to_sessions
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import deleted_sessions, events, feed, sessions
from agent_session_manager.store.feeds import (
    MAX_CHARS,
    Beginning,
    ChangedSession,
    Changes,
    DeletedSession,
)

_ROWS_AT_ONCE = 32

_SESSION = rows.WHOLE_SESSIONS.where(sessions.c.session_id == bindparam("session_id"))
_EVENTS = (
    select(events)
    .where(events.c.session_number == bindparam("of"), events.c.seq > bindparam("after"))
    .order_by(events.c.seq)
    .limit(bindparam("count"))
)
_HEAD_POSITION = select(feed.c.position).scalar_subquery().label("head_position")
_EVENTS_OF_ALL = (
    select(events, sessions.c.session_id)
    .join(sessions, sessions.c.number == events.c.session_number)
    .where(events.c.number > bindparam("after"))
    .order_by(events.c.number)
    .limit(bindparam("count"))
)
_FEED = select(feed)
_HEAD = (
    select(feed.c.generation).scalar_subquery().label("head_generation"),
    _HEAD_POSITION,
    select(func.coalesce(func.max(events.c.number), 0)).scalar_subquery().label("head_number"),
)
# One statement, so that the sessions and the head are of the same snapshot.
_NEWEST = (
    rows.WHOLE_SESSIONS.add_columns(*_HEAD)
    .order_by(sessions.c.number.desc())
    .limit(bindparam("count"))
)
_SOME_CHANGED = (
    rows.WHOLE_SESSIONS.where(sessions.c.changed_position > bindparam("after"))
    .order_by(sessions.c.changed_position)
    .limit(bindparam("count"))
    .subquery()
)
# If no session was changed, the head is in a row without a session.
_CHANGED = (
    select(feed.c.position.label("head_position"), _SOME_CHANGED)
    .select_from(feed.outerjoin(_SOME_CHANGED, true()))
    .order_by(_SOME_CHANGED.c.changed_position)
)
_DELETED = (
    select(deleted_sessions)
    .where(
        deleted_sessions.c.position > bindparam("after"),
        deleted_sessions.c.position <= bindparam("head"),
    )
    .order_by(deleted_sessions.c.position)
    .limit(bindparam("count"))
)


class SqlFeeds:
    """Reads of a database, through the connections from `read`."""

    def __init__(self, read: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._read = read

    def read_session(
        self, session_id: str, *, after: int, limit: int, max_chars: int = MAX_CHARS
    ) -> tuple[Session, list[Event]]:
        """Read the session first: then all events up to its `last_seq` can be read."""
        with self._read() as connection:
            found = connection.execute(_SESSION, {"session_id": session_id}).one_or_none()
            if found is None:
                raise SessionNotFoundError(session_id)
            session = to_session(connection, found)
            if after >= session.last_seq:
                return session, []
            where = {"of": found.number, "after": after, "count": limit}
            found_events = _some(connection, _EVENTS, where, max_chars)
            return session, [rows.to_event(row, session_id) for row in found_events]

    def read_changes(self, after: Cursor, *, limit: int, known: Cursor | None = None) -> Changes:
        """Read the changes up to the head, in the order of positions.

        One statement reads the head and the sessions. With two statements, a session that changes
        between them would move past the head, and readers would miss its creation. Of a session
        deleted between them, readers would miss the creation and the deletion.
        """
        with self._read() as connection:
            where = {"after": after.number, "count": limit + 1}
            found_rows = connection.execute(_CHANGED, where).all()
            head = found_rows[0].head_position
            rows_of_changed = [row for row in found_rows if row.number is not None]
            changed: list[ChangedSession | DeletedSession] = [
                _to_change(row, session, known or after)
                for row, session in zip(
                    rows_of_changed, to_sessions(connection, rows_of_changed), strict=True
                )
            ]
            where["head"] = head
            deleted = [
                DeletedSession(session_id=row.session_id, position=row.position)
                for row in connection.execute(_DELETED, where)
            ]
            state = connection.execute(_FEED).one()
        _check(after, state)
        found = sorted([*changed, *deleted], key=lambda change: change.position)
        page, has_more = found[:limit], len(found) > limit
        reached = page[-1].position if has_more else head
        return Changes(
            changes=page,
            cursor=Cursor(generation=state.generation, number=reached),
            has_more=has_more,
        )

    def head(self) -> Cursor:
        with self._read() as connection:
            return _head(connection.execute(_FEED).one())

    def begin(self, *, limit: int) -> Beginning:
        """Read the head alone as well: without sessions, the second query returns no row."""
        with self._read() as connection:
            head = connection.execute(select(*_HEAD)).one()
            newest = connection.execute(_NEWEST, {"count": limit}).all()
            newest_sessions = to_sessions(connection, newest)
        head = newest[0] if newest else head
        return Beginning(
            sessions=newest_sessions,
            cursor=Cursor(generation=head.head_generation, number=head.head_position),
            number=head.head_number,
        )

    def read_events(
        self, after: int, *, limit: int, max_chars: int = MAX_CHARS
    ) -> list[tuple[str, Event]]:
        with self._read() as connection:
            where = {"after": after, "count": limit}
            found = _some(connection, _EVENTS_OF_ALL, where, max_chars)
        return [(row.session_id, rows.to_event(row, row.session_id)) for row in found]


def _some(
    connection: Connection, query: Select[Any], where: dict[str, int], max_chars: int = MAX_CHARS
) -> list[Row[Any]]:
    """Return the rows of events that a query finds, until their size reaches `max_chars`."""
    found: list[Row[Any]] = []
    size = 0
    streaming = connection.execution_options(yield_per=_ROWS_AT_ONCE)
    with streaming.execute(query, where) as rows_of_events:
        for row in rows_of_events:
            found.append(row)
            size += len(row.fields)
            if size >= max_chars:
                break
    return found


def _to_change(row: Row[Any], session: Session, known: Cursor) -> ChangedSession:
    return ChangedSession(
        session=session,
        position=row.changed_position,
        is_new=row.created_position > known.number,
    )


def _check(cursor: Cursor, state: Row[Any]) -> None:
    known = state.complete_after <= cursor.number <= state.position
    if cursor.generation != state.generation or not known:
        raise CursorUnknownError(str(_head(state)))


def _head(state: Row[Any]) -> Cursor:
    return Cursor(generation=state.generation, number=state.position)
