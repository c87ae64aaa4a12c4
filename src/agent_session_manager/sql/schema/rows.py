"""Conversion between rows and values: moments, JSON, and the columns of each value."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import orjson
from sqlalchemy import Row, and_, case, func, select

from agent_session_manager.domain.events.event import MANAGER_FIELDS, Event
from agent_session_manager.domain.sessions.request import Request, RequestKind, RequestState
from agent_session_manager.domain.sessions.session import (
    ForkPoint,
    Lease,
    Reason,
    Run,
    Session,
    Source,
    State,
    Usage,
)
from agent_session_manager.sql.schema.checksums import DAMAGED, DAMAGED_TEXT, event_checksum
from agent_session_manager.sql.schema.tables import (
    notices,
    questions,
    runs,
    sessions,
    usage_facts,
)

logger = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST, _LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)

T = TypeVar("T")

USAGE_COLUMNS = tuple(Usage.__dataclass_fields__)
_NUMBERS = {*USAGE_COLUMNS, "run", "exit_code", "last_run", "last_seq", "masked_secrets"} | {
    "child_count", "number", "session_number", "answer_seq", "waiting_questions",
    "automatic_runs", "undelivered_notices", "seen_run", "denied_calls", "took_microseconds",
}  # fmt: skip

# Rows of sessions include the newest run of each session, with this prefix before its columns.
_RUN_PREFIX = "run_"
NEWEST_RUN_COLUMNS = [
    column.label(_RUN_PREFIX + column.name)
    for column in runs.c
    if column.name not in ("session_number", "spec")
]


_children = sessions.alias()

WITH_NEWEST_RUN = and_(
    runs.c.session_number == sessions.c.number, runs.c.run == sessions.c.last_run
)
MODEL = (
    select(usage_facts.c.model)
    .where(usage_facts.c.session_number == sessions.c.number, usage_facts.c.model.is_not(None))
    .order_by(usage_facts.c.number.desc())
    .limit(1)
    .correlate(sessions)
    .scalar_subquery()
)
"""The model of the newest request of a session with a known model."""
WHOLE_SESSIONS = select(
    sessions,
    *NEWEST_RUN_COLUMNS,
    select(func.count())
    .where(_children.c.parent_session_id == sessions.c.session_id)
    .scalar_subquery()
    .label("child_count"),
    # Only a session in this state has open questions, so the others cost nothing.
    case(
        (
            sessions.c.state == State.WAITING.value,
            select(func.count())
            .where(
                questions.c.session_number == sessions.c.number,
                questions.c.run == sessions.c.last_run,
            )
            .scalar_subquery(),
        ),
        else_=0,
    ).label("waiting_questions"),
    select(func.count())
    .where(notices.c.parent_number == sessions.c.number, notices.c.delivered_at.is_(None))
    .scalar_subquery()
    .label("undelivered_notices"),
    MODEL.label("model"),
).join_from(sessions, runs, WITH_NEWEST_RUN)
"""The rows that `to_session` reads."""


def to_microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def to_span(duration: timedelta) -> int:
    return duration // _MICROSECOND


def to_moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def optional_moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else to_moment(microseconds)


def dump_fields(fields: dict[str, Any] | None) -> str | None:
    return None if fields is None else orjson.dumps(fields).decode()


def parse_fields(text: str) -> dict[str, Any]:
    return _of(dict, orjson.loads(text))


def _lease(holder: str | None, expires_at: int | None) -> Lease | None:
    """Return the lease, if there is one. A lost run has a holder, but no lease."""
    if holder is None or expires_at is None:
        return None
    return Lease(holder=holder, expires_at=to_moment(expires_at))


_UNREADABLE = (ValueError, TypeError, OverflowError)
"""Errors of reading a damaged value, which the store cannot have written."""


def readable_fields(text: str) -> dict[str, Any]:
    """Return the fields in a text; empty if the text is damaged."""
    try:
        return parse_fields(text)
    except _UNREADABLE:
        return {}


def or_nearest(read: Callable[[Any], Any], value: Any, nearest: T) -> T | Any:
    try:
        return read(value)
    except _UNREADABLE:
        return nearest


def _salvaged(columns: Any) -> dict[str, Any]:
    """Return the columns of a row, with placeholders for damaged values.

    A damaged moment becomes the earliest moment, a count becomes 0, a reason becomes `failed`.
    Bytes that are not UTF-8 are replaced in a text.
    """
    salvaged: dict[str, Any] = {}
    for label, value in columns.items():
        name = label.removeprefix(_RUN_PREFIX)
        if value is None:
            salvaged[label] = None
        elif name.endswith("_at"):
            salvaged[label] = to_microseconds(or_nearest(to_moment, value, _FIRST))
        elif name == "reason":
            salvaged[label] = or_nearest(Reason, value, Reason.FAILED)
        elif name == "state":
            salvaged[label] = or_nearest(RequestState, value, RequestState.EXPIRED)
        elif name == "kind":
            salvaged[label] = or_nearest(RequestKind, value, RequestKind.MESSAGE)
        elif name in ("spec", "payload"):
            salvaged[label] = dump_fields(readable_fields(value))
        elif name in _JSON_PARTS:
            salvaged[label] = or_nearest(_JSON_PARTS[name], value, None) and value
        elif name in _NUMBERS:
            salvaged[label] = value if type(value) is int else 0
        else:
            salvaged[label] = value if isinstance(value, bool) else readable_text(value)
    return salvaged


def readable_text(value: Any) -> str:
    """Return the value of a text column as text, also if it has another type."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def to_nearest_moment(microseconds: int) -> datetime:
    """Return the moment, or the latest possible one if the value is damaged.

    So a lease with a damaged expiry never expires.
    """
    return or_nearest(to_moment, microseconds, _LAST)


def to_reason(value: str | None) -> Reason | None:
    """Return the end reason of a run; an unknown reason becomes `failed`."""
    return None if value is None else or_nearest(Reason, value, Reason.FAILED)


def to_request(row: Row[Any]) -> Request:
    return _read(_to_request, row._mapping, f"request {row.request_id!r}")


def to_run(row: Row[Any]) -> Run:
    return _read(_to_run, row._mapping, f"run {row.run!r} of session {row.session_number!r}")


def to_session(row: Row[Any]) -> Session:
    return _read(_to_session, row._mapping, f"session {row.session_id!r}")


def _read(make: Callable[[Any], T], columns: Any, what: str) -> T:
    """Return the value of a row; for a damaged row, with placeholders for unreadable columns."""
    try:
        return make(columns)
    except _UNREADABLE as exc:
        logger.error("%s is damaged in the database: %s", what, exc)
        made = make(_salvaged(columns))
        return replace(made, is_damaged=True) if isinstance(made, Session) else made


def _to_request(columns: Any) -> Request:
    return Request(
        request_id=_of(str, columns["request_id"]),
        run=columns["run"],
        kind=RequestKind(columns["kind"]),
        payload=parse_fields(columns["payload"]),
        state=RequestState(columns["state"]),
        detail=_optional(str, columns["detail"]),
        created_at=to_moment(columns["created_at"]),
        settled_at=optional_moment(columns["settled_at"]),
    )


def _to_run(columns: Any, prefix: str = "") -> Run:
    spec = columns.get(prefix + "spec")
    reason = columns[prefix + "reason"]
    return Run(
        run=columns[prefix + "run"],
        started_at=to_moment(columns[prefix + "started_at"]),
        finished_at=optional_moment(columns[prefix + "finished_at"]),
        exit_code=_optional(int, columns[prefix + "exit_code"]),
        reason=None if reason is None else Reason(reason),
        host=_optional(str, columns[prefix + "host"]),
        lease=_lease(columns[prefix + "lease_holder"], columns[prefix + "lease_expires_at"]),
        spec=None if spec is None else parse_fields(spec),
        usage=_to_usage(columns, prefix),
        is_imported=columns[prefix + "imported"],
        outcome=_optional(str, columns[prefix + "outcome"]),
        denied_calls=_of(int, columns[prefix + "denied_calls"]),
        denied_tools=_optional(str, columns[prefix + "denied_tools"]),
    )


def _to_usage(columns: Any, prefix: str = "") -> Usage:
    return Usage(**{name: _of(int, columns[prefix + name]) for name in USAGE_COLUMNS})


def _of(kind: type[T], value: Any) -> T:
    """Return the value if it has this type: a SQLite column can hold values of any type."""
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, found {type(value).__name__}")
    return value


def _optional(kind: type[T], value: Any) -> T | None:
    return None if value is None else _of(kind, value)


def _to_session(columns: Any) -> Session:
    return Session(
        session_id=_of(str, columns["session_id"]),
        generation=_of(str, columns["generation"]),
        session_name=_of(str, columns["session_name"]),
        project_dir=_optional(str, columns["project_dir"]),
        agent_name=_optional(str, columns["agent_name"]),
        created_at=to_moment(columns["created_at"]),
        last_resumed_at=optional_moment(columns["last_resumed_at"]),
        last_activity_at=to_moment(columns["last_activity_at"]),
        executor=_optional(str, columns["executor"]),
        parent_session_id=_optional(str, columns["parent_session_id"]),
        archived_at=optional_moment(columns["archived_at"]),
        unique_name=columns["unique_name"],
        last_seq=_of(int, columns["last_seq"]),
        usage=_to_usage(columns),
        took=timedelta(microseconds=_of(int, columns["took_microseconds"])),
        model=_optional(str, columns["model"]),
        newest_run=_to_run(columns, _RUN_PREFIX),
        child_count=columns["child_count"],
        waiting_questions=columns["waiting_questions"],
        undelivered_notices=columns["undelivered_notices"],
        automatic_runs=_of(int, columns["automatic_runs"]),
        masked_secrets=_of(int, columns["masked_secrets"]),
        prompt=_optional(str, columns["prompt"]),
        seen_run=_of(int, columns["seen_run"]),
        title=_optional(str, columns["title"]),
        source=_to_source(columns["source"]),
        forked_from=_to_fork_point(columns["forked_from"]),
    )


def source_text(source: Source) -> str:
    values = {"format": source.format, "path": source.path, "gone": source.is_gone}
    return orjson.dumps(values).decode()


def _to_source(text: str | None) -> Source | None:
    if text is None:
        return None
    values = parse_fields(text)
    is_gone = _of(bool, values.get("gone"))
    return Source(
        format=_of(str, values.get("format")), path=_of(str, values.get("path")), is_gone=is_gone
    )


def fork_text(fork: ForkPoint) -> str:
    values = {"session_id": fork.session_id, "event_id": fork.event_id}
    return orjson.dumps(values).decode()


def _to_fork_point(text: str | None) -> ForkPoint | None:
    if text is None:
        return None
    values = parse_fields(text)
    return ForkPoint(
        session_id=_of(str, values.get("session_id")),
        event_id=_optional(str, values.get("event_id")),
    )


_JSON_PARTS: dict[str, Callable[[Any], Any]] = {
    "source": _to_source,
    "forked_from": _to_fork_point,
}
"""The columns with a part of a session as JSON, and how each is read."""
_DAMAGED_FIELDS = orjson.dumps({"error": DAMAGED_TEXT}).decode()


def to_event(row: Row[Any], session_id: str) -> Event:
    """Return the event in a row. A damaged event is replaced by one that names the damage."""
    whole = _is_readable(row, session_id)
    if not whole:
        logger.error("event %d of session %r is damaged on the disk", row.seq, session_id)
    return Event(
        seq=row.seq,
        event_type=row.event_type if whole else DAMAGED,
        event_id=row.event_id if whole else None,
        run=row.run,
        late=row.late,
        recorded_at=or_nearest(to_moment, row.recorded_at, _FIRST),
        fields_json=_fields_json(row) if whole else _DAMAGED_FIELDS,
        number=row.number,
    )


def _fields_json(row: Row[Any]) -> str:
    """Return the stored fields; without a checksum, as an append would store them today."""
    if row.checksum is not None:
        return str(row.fields)
    own = {name: v for name, v in parse_fields(row.fields).items() if name not in MANAGER_FIELDS}
    return orjson.dumps(own).decode()


def _is_readable(row: Row[Any], session_id: str) -> bool:
    """Return whether the row is the stored one and can be shown.

    Fields with a checksum are not parsed: the checksum was made of JSON. Without a checksum a
    column may hold anything.
    """
    try:
        if not is_whole(row, session_id):
            return False
        to_moment(row.recorded_at)
        _of(str, row.event_type)
        _optional(str, row.event_id)
        if row.checksum is None:
            parse_fields(row.fields)
        return True
    except _UNREADABLE:
        return False


def is_whole(row: Row[Any], session_id: str) -> bool:
    """Return whether the row of an event matches its checksum, or has no checksum."""
    return row.checksum is None or row.checksum == event_checksum(
        session_id,
        row.seq,
        row.event_id,
        row.run,
        int(row.late),
        row.event_type,
        row.recorded_at,
        row.fields.encode(),
    )
