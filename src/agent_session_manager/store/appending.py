"""Appends of one transaction, made together.

The events of all appends are numbered in memory from one look at their sessions, and then written
with one statement each for events, sessions and runs. This is the path that speed depends on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import BigInteger, Connection, and_, bindparam, func, insert, select, update

from agent_session_manager.domain.errors import InvalidEventError, SessionNotFoundError
from agent_session_manager.domain.event import NewEvent
from agent_session_manager.domain.session import (
    Effect,
    Reason,
    RunState,
    Usage,
    effect_of_stop,
    is_late,
)
from agent_session_manager.store.base import AppendEvents, Outcome
from agent_session_manager.store.rows import USAGE_COLUMNS
from agent_session_manager.store.tables import events, runs, sessions

_SESSIONS = (
    select(
        sessions.c.number,
        sessions.c.session_id,
        sessions.c.last_seq,
        sessions.c.last_run,
        runs.c.finished_at,
        runs.c.reason,
        runs.c.lease_holder,
        runs.c.lease_expires_at,
    )
    .join_from(
        sessions,
        runs,
        and_(runs.c.session_number == sessions.c.number, runs.c.run == sessions.c.last_run),
    )
    .where(sessions.c.session_id.in_(bindparam("session_ids", expanding=True)))
    # In one order for everybody, so that two managers on one database cannot block each other.
    .order_by(sessions.c.session_id)
    .with_for_update(of=sessions)
)
_KNOWN_IDS = select(events.c.event_id, events.c.seq).where(
    events.c.session_number == bindparam("number"),
    events.c.event_id.in_(bindparam("event_ids", expanding=True)),
)
_INSERT = insert(events)
_MOVE_ON = (
    update(sessions)
    .where(sessions.c.number == bindparam("of"))
    .values(
        last_seq=bindparam("seq"),
        status=bindparam("now_status"),
        last_activity_at=bindparam("now"),
    )
)
_ANSWERED = (
    update(runs)
    .where(runs.c.session_number == bindparam("of"), runs.c.run == bindparam("in_run"))
    .values(
        answer_seq=func.coalesce(bindparam("seq", type_=BigInteger), runs.c.answer_seq),
        **{name: runs.c[name] + bindparam("add_" + name) for name in USAGE_COLUMNS},
    )
)
_SPENT = (
    update(sessions)
    .where(sessions.c.number == bindparam("of"))
    .values({name: sessions.c[name] + bindparam("add_" + name) for name in USAGE_COLUMNS})
)
_ENDED = (
    update(runs)
    .where(runs.c.session_number == bindparam("of"), runs.c.run == bindparam("in_run"))
    .values(
        finished_at=bindparam("now"),
        exit_code=bindparam("code"),
        reason=bindparam("why"),
        lease_holder=None,
        lease_expires_at=None,
    )
)


@dataclass
class _Writes:
    """What a batch of appends comes to, ready for one statement each."""

    events: list[dict[str, Any]] = field(default_factory=list)
    sessions: dict[int, dict[str, Any]] = field(default_factory=dict)
    spent: list[dict[str, Any]] = field(default_factory=list)
    answered: list[dict[str, Any]] = field(default_factory=list)
    ended: list[dict[str, Any]] = field(default_factory=list)

    def execute(self, connection: Connection) -> None:
        for statement, parameters in (
            (_INSERT, self.events),
            (_MOVE_ON, list(self.sessions.values())),
            (_SPENT, self.spent),
            (_ANSWERED, self.answered),
            (_ENDED, self.ended),
        ):
            if parameters:
                connection.execute(statement, parameters)


class _SessionInBatch:
    """One session while a batch is numbered: where it stands, and what it knows already."""

    def __init__(self, row: Any, now: int) -> None:
        self.number: int = row.number
        self.last_seq: int = row.last_seq
        self.known: dict[str, int] = {}
        self.newest = RunState(
            run=row.last_run,
            finished=row.finished_at is not None,
            reason=None if row.reason is None else Reason(row.reason),
            leased=row.lease_holder is not None and row.lease_expires_at > now,
        )

    def append(self, new: NewEvent, writes: _Writes, now: int) -> int:
        if new.event_id is not None and new.event_id in self.known:
            return self.known[new.event_id]
        self.last_seq += 1
        run = self.newest.run if new.run is None else new.run
        writes.events.append(
            {
                "session_number": self.number,
                "seq": self.last_seq,
                "event_id": new.event_id,
                "run": run,
                "late": is_late(run, self.newest.run),
                "event_type": new.event_type,
                "recorded_at": now,
                "fields": orjson.dumps(new.fields).decode(),
            }
        )
        if new.event_id is not None:
            self.known[new.event_id] = self.last_seq
        if new.is_answer or new.usage is not None:
            self._count(new, run, writes)
        if new.end is not None:
            self._stop(new, writes, now)
        writes.sessions[self.number] = {
            "of": self.number,
            "seq": self.last_seq,
            "now_status": "finished" if self.newest.finished else "running",
            "now": now,
        }
        return self.last_seq

    def _count(self, new: NewEvent, run: int, writes: _Writes) -> None:
        usage = new.usage or Usage()
        added = {"add_" + name: getattr(usage, name) for name in USAGE_COLUMNS}
        seq = self.last_seq if new.is_answer else None
        writes.answered.append({"of": self.number, "in_run": run, "seq": seq, **added})
        if new.usage is not None:
            writes.spent.append({"of": self.number, **added})

    def _stop(self, new: NewEvent, writes: _Writes, now: int) -> None:
        assert new.end is not None
        if effect_of_stop(self.newest, named_run=new.run) is not Effect.CLOSE:
            return
        self.newest = RunState(run=self.newest.run, finished=True, reason=new.end.reason)
        writes.ended.append(
            {
                "of": self.number,
                "in_run": self.newest.run,
                "now": now,
                "code": new.end.exit_code,
                "why": new.end.reason.value,
            }
        )


def append_all(
    connection: Connection, appends: Sequence[AppendEvents], *, now: int
) -> list[Outcome]:
    """Append in order; one outcome each: the seqs, or why it was refused as a whole."""
    wanted = sorted({append.session_id for append in appends})
    found = {
        row.session_id: _SessionInBatch(row, now)
        for row in connection.execute(_SESSIONS, {"session_ids": wanted})
    }
    _look_up_known_ids(connection, appends, found)
    writes = _Writes()
    outcomes = [_append(append, found.get(append.session_id), writes, now) for append in appends]
    writes.execute(connection)
    return outcomes


def _look_up_known_ids(
    connection: Connection, appends: Sequence[AppendEvents], found: dict[str, _SessionInBatch]
) -> None:
    sent: dict[str, list[str]] = {}
    for append in appends:
        ids = [event.event_id for event in append.events if event.event_id is not None]
        if ids:
            sent.setdefault(append.session_id, []).extend(ids)
    for session_id, event_ids in sent.items():
        session = found.get(session_id)
        if session is not None and session.last_seq:
            known = connection.execute(
                _KNOWN_IDS, {"number": session.number, "event_ids": event_ids}
            )
            session.known = {row.event_id: row.seq for row in known}


def _append(
    append: AppendEvents, session: _SessionInBatch | None, writes: _Writes, now: int
) -> Outcome:
    if session is None:
        return SessionNotFoundError(append.session_id)
    newest = session.newest.run
    for index, event in enumerate(append.events):
        if event.run is not None and event.run > newest:
            return InvalidEventError(
                f"run {event.run} does not exist; the newest is {newest}", index=index
            )
    return [session.append(event, writes, now) for event in append.events]
