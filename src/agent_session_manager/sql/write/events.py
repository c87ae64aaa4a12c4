"""Appends of one transaction, made together.

One query reads the sessions of all appends. The events are numbered in memory, and then written
with a few statements: events, sessions, runs. The throughput of the manager depends on this path.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Row, Select, bindparam, delete, select

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import (
    InvalidEventError,
    RecordBehindError,
    SessionNotFoundError,
)
from agent_session_manager.domain.events.event import NewEvent
from agent_session_manager.domain.events.line import answer_of, failure_of, first_line, prompt_of
from agent_session_manager.domain.events.model_request import PriceOf
from agent_session_manager.domain.events.question import QuestionStep
from agent_session_manager.domain.sessions.attention import DENIAL, AttentionKind
from agent_session_manager.domain.sessions.session import (
    Effect,
    RunState,
    effect_of_stop,
    is_late,
    opens_question,
    state_after,
)
from agent_session_manager.sql.database.direct import read
from agent_session_manager.sql.read.current_state import NEWEST_RUN_STATE, newest_run
from agent_session_manager.sql.schema.checksums import event_checksum
from agent_session_manager.sql.schema.rows import WITH_NEWEST_RUN
from agent_session_manager.sql.schema.tables import events, runs, sessions
from agent_session_manager.sql.write.alerts import Alerts
from agent_session_manager.sql.write.batch import Writes
from agent_session_manager.sql.write.derived.sums import Sums
from agent_session_manager.sql.write.derived.usage import UsageTold
from agent_session_manager.sql.write.questions import (
    QuestionTold,
)
from agent_session_manager.store.changes import AppendEvents


class _Found(NamedTuple):
    """The columns of a session that an append needs."""

    number: int
    session_id: str
    generation: str
    last_seq: int
    last_run: int
    parent_session_id: str | None
    prompt: str | None
    attention: str | None
    finished_at: int | None
    reason: str | None
    lease_holder: str | None
    imported: bool


_SESSIONS = (
    select(
        sessions.c.number,
        sessions.c.session_id,
        sessions.c.generation,
        sessions.c.last_seq,
        sessions.c.last_run,
        sessions.c.parent_session_id,
        sessions.c.prompt,
        sessions.c.attention,
        *NEWEST_RUN_STATE,
    )
    .join_from(sessions, runs, WITH_NEWEST_RUN)
    # All managers lock sessions in the same order, so two managers cannot deadlock.
    .order_by(sessions.c.session_id)
    .with_for_update(of=sessions)
)
_KNOWN_IDS = select(events.c.event_id, events.c.seq).where(
    events.c.session_number == bindparam("number"),
    events.c.event_id.in_(bindparam("event_ids", expanding=True)),
)
_IDS_AT_ONCE = 1000
_SHOWN = frozenset({"message", DENIAL})
"""Types of events that lists can show."""
_MAX_TOOL_CHARS = 90
"""So that the tools of a run fit into one line."""
_TAKE_BACK = delete(events).where(
    events.c.session_number == bindparam("of"), events.c.seq > bindparam("after")
)


class SessionInBatch:
    """One session while a batch is numbered: its last seq, newest run and known event ids."""

    def __init__(self, row: _Found | Row[Any], known: dict[str, int]) -> None:
        self.number: int = row.number
        self.session_id: str = row.session_id
        self.generation: str = row.generation
        self.last_seq: int = row.last_seq
        self.is_child = row.parent_session_id is not None
        self.has_prompt = row.prompt is not None
        self.is_quiet = row.attention == AttentionKind.QUIET.value
        self.known = known
        self.newest = newest_run(row)

    @property
    def reached(self) -> Cursor:
        return Cursor(generation=self.generation, number=self.last_seq)

    def append(self, new_events: Sequence[NewEvent], writes: Writes, now: int) -> list[int]:
        """Number the events and return their seqs. A known event keeps its seq."""
        last_seq = self.last_seq
        seqs = [
            (new.event_id is not None and self.known.get(new.event_id))
            or self._append_one(new, writes, now)
            for new in new_events
        ]
        if self.last_seq > last_seq:
            writes.sessions[self.number] = {
                "of": self.number,
                "seq": self.last_seq,
                "now": now,
            }
            if self.is_quiet:
                writes.turned.add(self.number)
        return seqs

    def _append_one(self, new: NewEvent, writes: Writes, now: int) -> int:
        self.last_seq += 1
        seq = self.last_seq
        run = self.newest.run if new.run is None else new.run
        late = is_late(run, self.newest.run)
        kind = new.event_type
        fields = orjson.dumps(new.fields)
        checksum = event_checksum(
            self.session_id, seq, new.event_id, run, int(late), kind, now, fields
        )
        values = (seq, new.event_id, run, late, kind, now, fields.decode(), checksum)
        writes.events.append((self.number, *values))
        if new.event_id is not None:
            self.known[new.event_id] = self.last_seq
        if new.masked_secrets:
            writes.masked.append({"of": self.number, "add": new.masked_secrets})
        if kind in _SHOWN:
            self._show(new, run, writes)
        if new.usage is not None:
            writes.usage.append(UsageTold(self.number, run, new.usage))
        if new.question is not None:
            self._step(new.question, run, writes, now)
        if new.notice_batch is not None:
            told = {"of": self.number, "batch": new.notice_batch, "now": now}
            writes.told_notices.append(told)
        if new.end is not None:
            self._stop(new, writes, now)
        return self.last_seq

    def _show(self, new: NewEvent, run: int, writes: Writes) -> None:
        """Note what lists show of the event: a prompt, an answer, or a denied call."""
        if new.is_answer:
            answered = {
                "of": self.number,
                "in_run": run,
                "seq": self.last_seq,
                "line": answer_of(new),
            }
            writes.answered.append(answered)
            if self.newest.finished:
                writes.turned.add(self.number)
        elif new.event_type == DENIAL:
            tool = (first_line(new.fields.get("tool_name") or "") or "a tool")[:_MAX_TOOL_CHARS]
            writes.denied.append({"of": self.number, "in_run": run, "tool": tool})
            writes.turned.add(self.number)
        elif not self.has_prompt and (line := prompt_of(new)) is not None:
            writes.prompts[self.number] = line
            self.has_prompt = True

    def _step(self, step: QuestionStep, run: int, writes: Writes, now: int) -> None:
        if not step.is_asked or opens_question(self.newest, run=run):
            told = QuestionTold(self.number, step, run, self.last_seq, now)
            writes.questions.append(told)

    def _stop(self, new: NewEvent, writes: Writes, now: int) -> None:
        assert new.end is not None
        if effect_of_stop(self.newest, named_run=new.run) is not Effect.CLOSE:
            return
        if self.is_child:
            writes.ended_children.append(self.number)
        self.newest = RunState(run=self.newest.run, finished=True, reason=new.end.reason)
        state = state_after(new.end.reason).value
        writes.finished.append({"of": self.number, "new_state": state})
        writes.turned.add(self.number)
        writes.ended.append(
            {
                "of": self.number,
                "in_run": self.newest.run,
                "now": now,
                "code": new.end.exit_code,
                "why": new.end.reason.value,
                "line": failure_of(new),
            }
        )


def append_all(
    connection: Connection,
    appends: Sequence[AppendEvents],
    *,
    now: int,
    sums: Sums,
    price_of: PriceOf,
    alerts: Alerts,
) -> list[Any]:
    """Append in order; return an outcome for each append: its seqs, or the error that refused it.

    Few events are sent twice. So known events are not queried first: the insert detects them.
    """
    found = _find(connection, {append.session_id for append in appends})
    outcomes, writes = _number(appends, found, {}, now)
    if not writes.insert_events(connection):
        connection.execute(_TAKE_BACK, [{"of": row.number, "after": row.last_seq} for row in found])
        outcomes, writes = _number(appends, found, _known_ids(connection, appends, found), now)
        if not writes.insert_events(connection):
            raise RuntimeError("the insert found a stored event id, but the query for it did not")
    writes.update_the_rest(connection, sums, price_of)
    alerts.note_appended(writes.ended, writes.questions)
    return outcomes


def _find(connection: Connection, session_ids: Set[str]) -> list[_Found]:
    """Read and lock sessions."""
    wanted = [*session_ids]
    # To a power of two: a few statements, which the driver keeps, fit all batches.
    wanted += wanted[:1] * (2 ** (len(wanted) - 1).bit_length() - len(wanted))
    parameters = dict(zip(_names(len(wanted)), wanted, strict=True))
    return [_Found._make(row) for row in read(connection, _sessions(len(wanted)), parameters)]


@lru_cache
def _sessions(count: int) -> Select[Any]:
    """Return the query for the sessions of `count` ids."""
    return _SESSIONS.where(sessions.c.session_id.in_(map(bindparam, _names(count))))


@lru_cache
def _names(count: int) -> list[str]:
    return [f"id_{number}" for number in range(count)]


def _number(
    appends: Sequence[AppendEvents],
    found: Sequence[_Found],
    known: dict[str, dict[str, int]],
    now: int,
) -> tuple[list[Any], Writes]:
    """Return the outcomes and writes of the appends; `known` has the seqs of stored events."""
    in_batch = {row.session_id: SessionInBatch(row, known.get(row.session_id, {})) for row in found}
    writes = Writes()
    outcomes = [_append(append, in_batch.get(append.session_id), writes, now) for append in appends]
    return outcomes, writes


def _known_ids(
    connection: Connection, appends: Sequence[AppendEvents], found: Sequence[_Found]
) -> dict[str, dict[str, int]]:
    sent: dict[str, list[str]] = {}
    for append in appends:
        ids = [event.event_id for event in append.events if event.event_id is not None]
        sent.setdefault(append.session_id, []).extend(ids)
    known = {}
    for row in found:
        ids = sent[row.session_id]
        known[row.session_id] = {
            event.event_id: event.seq
            for start in range(0, len(ids), _IDS_AT_ONCE)
            for event in connection.execute(
                _KNOWN_IDS,
                {"number": row.number, "event_ids": ids[start : start + _IDS_AT_ONCE]},
            )
        }
    return known


def _append(append: AppendEvents, session: SessionInBatch | None, writes: Writes, now: int) -> Any:
    if session is None:
        return SessionNotFoundError(append.session_id)
    known = append.known
    if known is not None and not known.is_within(session.reached):
        what = f"session {append.session_id!r}"
        return RecordBehindError(what, str(known), str(session.reached))
    newest = session.newest.run
    for index, event in enumerate(append.events):
        if event.run is not None and event.run > newest:
            return InvalidEventError(
                f"run {event.run} does not exist; the newest is {newest}", index=index
            )
    return session.append(append.events, writes, now)
