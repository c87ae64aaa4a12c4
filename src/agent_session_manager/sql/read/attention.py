"""Reading what sessions expect of a person: the stored kind, and the event that tells more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, func, or_, select, tuple_

from agent_session_manager.domain.events.event import Event
from agent_session_manager.domain.events.line import first_line
from agent_session_manager.domain.sessions.attention import CALL, Attention, AttentionKind
from agent_session_manager.domain.sessions.session import WITHOUT_ERROR, Reason, Run, Session, State
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import events, questions, runs, sessions

_IN_EVENT = (AttentionKind.ASKS, AttentionKind.QUIET)
"""The kinds whose text is in an event, and not in the row of the run."""
_OLDEST_QUESTIONS = (
    select(questions.c.session_number, func.min(questions.c.seq))
    .join(sessions, sessions.c.number == questions.c.session_number)
    .where(
        questions.c.session_number.in_(bindparam("numbers", expanding=True)),
        questions.c.run == sessions.c.last_run,
    )
    .group_by(questions.c.session_number)
)
_EVENTS = select(events).where(
    tuple_(events.c.session_number, events.c.seq).in_(bindparam("places", expanding=True))
)

SILENT = (
    select(sessions.c.number, sessions.c.session_id)
    .join(runs, rows.WITH_NEWEST_RUN)
    .outerjoin(
        events,
        and_(
            events.c.session_number == sessions.c.number,
            events.c.seq == sessions.c.last_seq,
            events.c.event_type == CALL,
        ),
    )
    .where(
        sessions.c.status == "running",
        sessions.c.state == State.RUNNING.value,
        sessions.c.attention.is_(None),
        sessions.c.archived_at.is_(None),
        ~runs.c.imported,
        sessions.c.last_activity_at <= bindparam("silent_since"),
        or_(events.c.seq.is_(None), sessions.c.last_activity_at <= bindparam("in_call_since")),
    )
    .order_by(sessions.c.session_id)
)
"""The running sessions that are silent, and not marked as quiet."""


def silence(silent_since: datetime, in_call_since: datetime) -> dict[str, int]:
    """Return the parameters of `SILENT`."""
    return {
        "silent_since": rows.to_microseconds(silent_since),
        "in_call_since": rows.to_microseconds(in_call_since),
    }


def has_silent(connection: Connection, silent_since: datetime, in_call_since: datetime) -> bool:
    found = connection.execute(SILENT.limit(1), silence(silent_since, in_call_since))
    return found.first() is not None


def shown_events(connection: Connection, found: Sequence[Row[Any]]) -> dict[int, Event]:
    """Return the event that tells what each session expects, by the number of the session.

    It is the oldest open question, or the newest event of a session that is quiet.
    """
    kinds = {row.number: row.attention for row in found if row.attention in _IN_EVENT}
    if not kinds:
        return {}
    asking = [number for number, kind in kinds.items() if kind == AttentionKind.ASKS]
    places = [(row.number, row.last_seq) for row in found if row.number in kinds]
    places = [place for place in places if place[0] not in asking]
    if asking:
        places += map(tuple, connection.execute(_OLDEST_QUESTIONS, {"numbers": asking}))
    ids = {row.number: row.session_id for row in found}
    return {
        row.session_number: rows.to_event(row, ids[row.session_number])
        for row in connection.execute(_EVENTS, {"places": places})
    }


def attention_of(row: Row[Any], session: Session, shown: Event | None) -> Attention | None:
    """Return what a session expects of a person; `shown` is its event of `shown_events`."""
    if row.attention not in list(AttentionKind):
        return None
    kind = AttentionKind(row.attention)
    if kind in _IN_EVENT:
        since: datetime = session.last_activity_at
        if kind is AttentionKind.ASKS and shown is not None:
            since = shown.recorded_at
        return Attention(
            kind=kind,
            since=since,
            text=None if shown is None else _line_of(shown.fields),
            seq=None if shown is None else shown.seq,
        )
    newest = session.newest_run
    is_answer = kind in (AttentionKind.QUESTION, AttentionKind.DONE)
    return Attention(
        kind=kind,
        since=newest.finished_at or session.last_activity_at,
        text=newest.outcome if is_answer else _trouble_of(newest, kind),
        seq=row.run_answer_seq if is_answer else session.last_seq or None,
    )


def _trouble_of(newest: Run, kind: AttentionKind) -> str | None:
    """Return the denied tools, or the error of a run that did not end well."""
    if kind is AttentionKind.DENIED:
        return ", ".join(dict.fromkeys((newest.denied_tools or "").split(", ")))
    # No event tells that a run was lost: its outcome is the last line of an answer.
    if newest.outcome is None or newest.reason is Reason.LOST:
        return WITHOUT_ERROR.get(newest.reason or Reason.FAILED) or _end_of(newest.exit_code)
    return newest.outcome


def _end_of(exit_code: int | None) -> str:
    return "it told no reason" if exit_code is None else f"it ended with exit code {exit_code}"


def _line_of(fields: dict[str, Any]) -> str | None:
    """Return one line that says what an event is about: a question, a call, or a message."""
    items = fields.get("items") or [{}]
    for text in (fields.get("title"), items[0].get("text"), fields.get("tool_name")):
        if isinstance(text, str) and (line := first_line(text)) is not None:
            return line
    return None
