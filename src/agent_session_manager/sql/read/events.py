"""Events of a session: pages of them, and the result of the newest run."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, select

from agent_session_manager.domain.errors import (
    EventDamagedError,
    NoResultError,
    SessionNotFinishedError,
)
from agent_session_manager.domain.events.event import Event, joined_text
from agent_session_manager.sql.read.sessions import NUMBER, one
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import events, runs, sessions
from agent_session_manager.store.queries import EventFilter, EventPage

PAGE_BYTES = 8 * 1024 * 1024
"""Size after which a page of events ends; its last event may exceed it."""
_ROWS_AT_ONCE = 25
_ERROR = '"error":'
_ANSWER = (
    select(sessions.c.status, events)
    .join_from(sessions, runs, rows.WITH_NEWEST_RUN)
    .outerjoin(
        events,
        and_(events.c.session_number == sessions.c.number, events.c.seq == runs.c.answer_seq),
    )
    .where(sessions.c.session_id == bindparam("session_id"))
)
_EVENT = select(events).where(
    events.c.session_number == bindparam("number"), events.c.seq == bindparam("seq")
)
_FIRST_PART = (
    select(events.c.seq)
    .where(
        events.c.session_number == bindparam("number"), events.c.event_id == bindparam("first_id")
    )
    .scalar_subquery()
)
_PARTS = (
    select(events)
    .where(
        events.c.session_number == bindparam("number"),
        events.c.seq.between(_FIRST_PART, bindparam("last")),
        events.c.run == bindparam("run"),
        events.c.event_type == "message",
    )
    .order_by(events.c.seq)
)


def get_result(connection: Connection, session_id: str) -> str:
    answer = one(connection, _ANSWER, session_id)
    if answer.status == "running":
        raise SessionNotFinishedError(session_id)
    if answer.fields is None:
        raise NoResultError(session_id)
    return _answer_text(connection, session_id, answer)


def get_answer(connection: Connection, session_id: str, number: int, seq: int) -> str:
    """Return the text of an answer; `seq` is its last event, `number` that of the session.

    Raises:
        EventDamagedError: a part of it cannot be read.
        NoResultError: the event is missing.
    """
    found = connection.execute(_EVENT, {"number": number, "seq": seq}).one_or_none()
    if found is None:
        raise NoResultError(session_id)
    return _answer_text(connection, session_id, found)


def _answer_text(connection: Connection, session_id: str, answer: Row[Any]) -> str:
    last = _fields_of(answer, session_id)
    first_id = last.get("continues")
    if not isinstance(first_id, str):
        return joined_text(last)
    keys = {"number": answer.session_number, "run": answer.run, "last": answer.seq}
    texts = [
        joined_text(fields)
        for row in connection.execute(_PARTS, {**keys, "first_id": first_id})
        if (fields := _fields_of(row, session_id)).get("continues") == first_id
        or row.event_id == first_id
    ]
    return "".join(texts) or joined_text(last)


def list_events(
    connection: Connection, session_id: str, where: EventFilter, *, limit: int
) -> EventPage:
    """Read a page of at most `limit` events. It ends earlier if it reaches `PAGE_BYTES`."""
    query = select(events)
    if where.has_error:
        # The text can be anywhere in an event, so the rows that contain it are checked below.
        query = query.where(events.c.fields.contains(_ERROR, autoescape=True))
    else:
        query = query.limit(limit + 1)
    if where.before_seq is not None:
        query = query.where(events.c.seq < where.before_seq).order_by(events.c.seq.desc())
    else:
        query = query.where(events.c.seq > (where.after_seq or 0)).order_by(events.c.seq)
    if where.event_type is not None:
        query = query.where(events.c.event_type == where.event_type)
    if where.run is not None:
        query = query.where(events.c.run == where.run)
    page: list[Event] = []
    size = 0
    number = one(connection, NUMBER, session_id).number
    streaming = connection.execution_options(yield_per=_ROWS_AT_ONCE)
    with streaming.execute(query.where(events.c.session_number == number)) as found:
        for row in found:
            event = rows.to_event(row, session_id)
            if where.has_error and event.fields.get("error") is None:
                continue
            if len(page) == limit or size >= PAGE_BYTES:
                return EventPage(events=page, has_more=True)
            page.append(event)
            size += len(event.fields_json)
    return EventPage(events=page, has_more=False)


def _fields_of(row: Row[Any], session_id: str) -> dict[str, Any]:
    with suppress(ValueError, TypeError, KeyError):
        if rows.is_whole(row, session_id):
            fields = rows.parse_fields(row.fields)
            joined_text(fields)  # raises if the content is damaged
            return fields
    raise EventDamagedError(session_id, row.seq)
