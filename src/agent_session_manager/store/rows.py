"""Rows to values and back: moments, JSON, and which column belongs to which value."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Row, and_, func, select

from agent_session_manager.domain.event import Event
from agent_session_manager.domain.request import Request, RequestKind, RequestState
from agent_session_manager.domain.session import Lease, Reason, Run, Session, Usage
from agent_session_manager.store.checksums import DAMAGED, DAMAGED_TEXT, event_checksum
from agent_session_manager.store.tables import runs, sessions

logger = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

USAGE_COLUMNS = tuple(Usage.__dataclass_fields__)

# The newest run of a session travels in the session's row, under names of its own.
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
WHOLE_SESSIONS = select(
    sessions,
    *NEWEST_RUN_COLUMNS,
    select(func.count())
    .where(_children.c.parent_session_id == sessions.c.session_id)
    .scalar_subquery()
    .label("child_count"),
).join_from(sessions, runs, WITH_NEWEST_RUN)
"""What `to_session` reads."""


def to_microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def to_moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _optional_moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else to_moment(microseconds)


def dump_fields(fields: dict[str, Any] | None) -> str | None:
    return None if fields is None else orjson.dumps(fields).decode()


def parse_fields(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = orjson.loads(text)
    return fields


def _lease(holder: str | None, expires_at: int | None) -> Lease | None:
    """The lease that is held; of a lost run the holder is remembered and the lease is gone."""
    if holder is None or expires_at is None:
        return None
    return Lease(holder=holder, expires_at=to_moment(expires_at))


def to_request(row: Row[Any]) -> Request:
    return Request(
        request_id=row.request_id,
        run=row.run,
        kind=RequestKind(row.kind),
        payload=parse_fields(row.payload),
        state=RequestState(row.state),
        detail=row.detail,
        created_at=to_moment(row.created_at),
        settled_at=_optional_moment(row.settled_at),
    )


def to_run(row: Row[Any], *, prefix: str = "") -> Run:
    columns = row._mapping
    spec = columns.get(prefix + "spec")
    reason = columns[prefix + "reason"]
    return Run(
        run=columns[prefix + "run"],
        started_at=to_moment(columns[prefix + "started_at"]),
        finished_at=_optional_moment(columns[prefix + "finished_at"]),
        exit_code=columns[prefix + "exit_code"],
        reason=None if reason is None else Reason(reason),
        host=columns[prefix + "host"],
        lease=_lease(columns[prefix + "lease_holder"], columns[prefix + "lease_expires_at"]),
        spec=None if spec is None else parse_fields(spec),
        usage=Usage(**{name: columns[prefix + name] for name in USAGE_COLUMNS}),
    )


def to_session(row: Row[Any]) -> Session:
    columns = row._mapping
    return Session(
        session_id=columns["session_id"],
        generation=columns["generation"],
        session_name=columns["session_name"],
        project_dir=columns["project_dir"],
        agent_name=columns["agent_name"],
        created_at=to_moment(columns["created_at"]),
        last_resumed_at=_optional_moment(columns["last_resumed_at"]),
        last_activity_at=to_moment(columns["last_activity_at"]),
        executor=columns["executor"],
        parent_session_id=columns["parent_session_id"],
        archived_at=_optional_moment(columns["archived_at"]),
        unique_name=columns["unique_name"],
        last_seq=columns["last_seq"],
        usage=Usage(**{name: columns[name] for name in USAGE_COLUMNS}),
        newest_run=to_run(row, prefix=_RUN_PREFIX),
        child_count=columns["child_count"],
        masked_secrets=columns["masked_secrets"],
    )


def to_event(row: Row[Any], session_id: str) -> Event:
    """The event in a row; where that is not what was stored, one that says so in its place."""
    whole = is_whole(row, session_id)
    if not whole:
        logger.error("event %d of session %r is damaged on the disk", row.seq, session_id)
    return Event(
        seq=row.seq,
        event_type=row.event_type if whole else DAMAGED,
        event_id=row.event_id if whole else None,
        run=row.run,
        late=row.late,
        recorded_at=to_moment(row.recorded_at),
        fields=parse_fields(row.fields) if whole else {"error": DAMAGED_TEXT},
        size=len(row.fields),
        number=row.number,
    )


def is_whole(row: Row[Any], session_id: str) -> bool:
    """Whether the row of an event is what was stored, as far as it has a checksum."""
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
