"""Alerts, stored in the transaction of the change that they report, and their delivery.

Without a target that wants an alert, no statement is executed. A run that was replaced by a newer
one, and a run of imported history, cause no alert: a person did the first, and drives the second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from agent_session_manager.domain.sessions.alert import (
    KEPT_FOR,
    MAX_AGE,
    MAX_ERROR_CHARS,
    MAX_WAITING,
    RESERVED_PLACES,
    AlertKind,
    AlertState,
    Interest,
    Interests,
    kind_of_end,
    pause_after,
)
from agent_session_manager.domain.sessions.session import Reason
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.alerts import alerts
from agent_session_manager.sql.schema.tables import AGENT, events, questions, runs, sessions
from agent_session_manager.sql.write.questions import QuestionTold
from agent_session_manager.store.alerts import DropAlerts, GiveUpAlerts, SettleAlert

MAX_TEXT_CHARS = 300
MAX_KEPT = 100
"""Number of alerts of a target that are kept after they were given up."""

_SESSION: Select[Any] = (
    select(
        sessions.c.session_id,
        sessions.c.session_name,
        sessions.c.project_dir,
        AGENT.label("agent"),
        sessions.c.executor,
        sessions.c.parent_session_id,
        runs.c.exit_code,
        runs.c.imported,
    )
    .join_from(sessions, runs, runs.c.session_number == sessions.c.number)
    .where(sessions.c.number == bindparam("of"), runs.c.run == bindparam("of_run"))
)
_QUESTION: Select[Any] = (
    select(questions.c.question_id, events.c.fields)
    .join_from(
        questions,
        events,
        (events.c.session_number == questions.c.session_number) & (events.c.seq == questions.c.seq),
    )
    .where(questions.c.session_number == bindparam("of"), questions.c.seq == bindparam("seq"))
)
_WAITING = select(func.count()).where(
    alerts.c.target_id == bindparam("of_target"), alerts.c.state == AlertState.WAITING.value
)
_TOLD = (
    select(alerts.c.facts)
    .where(
        alerts.c.target_id == bindparam("of_target"),
        alerts.c.state == AlertState.WAITING.value,
        alerts.c.session_number == bindparam("of"),
        alerts.c.kind == AlertKind.WAITING.value,
    )
    .order_by(alerts.c.number.desc())
    .limit(1)
)
"""The newest alert about a question of a session that waits for a target."""
_IS_OPEN = select(questions.c.seq).where(
    questions.c.session_number == bindparam("of"), questions.c.question_id == bindparam("asked")
)
_BEYOND = (
    select(alerts.c.number)
    .where(alerts.c.target_id == bindparam("of_target"), alerts.c.state == bindparam("in_state"))
    .order_by(alerts.c.number.desc())
    .offset(bindparam("kept"))
    .limit(1)
)


class _News(NamedTuple):
    session_number: int
    run: int
    kind: AlertKind
    reason: Reason | None = None
    question_seq: int | None = None


class _New(NamedTuple):
    row: dict[str, Any]
    is_child: bool
    """True if another session has started the session."""


class Alerts:
    """The alerts of one transaction: noted during its changes, and written at its end."""

    def __init__(self, connection: Connection, *, now: int, interests: Interests) -> None:
        self._connection = connection
        self._now = now
        self._interests = interests
        self._news: list[_News] = []

    def note_end(self, number: int, run: int, reason: Reason) -> None:
        """Note that the newest run of a session has ended, or was lost."""
        self._news.append(_News(number, run, kind_of_end(reason), reason))

    def note_appended(
        self, ended: Iterable[Mapping[str, Any]], questions: Iterable[QuestionTold]
    ) -> None:
        """Note the ends and the questions of appended events.

        A question causes no alert if it is closed in the same transaction.
        """
        for end in ended:
            self.note_end(end["of"], end["in_run"], Reason(end["why"]))
        for number, step, run, seq, _ in questions:
            if step.is_asked:
                self._news.append(_News(number, run, AlertKind.WAITING, question_seq=seq))

    def write(self) -> bool:
        """Store the alerts that targets want; return whether there are any."""
        interests = self._interests() if self._news else ()
        by_target: dict[str, list[_New]] = {}
        for news in self._news:
            for new in self._new_of(news, interests):
                by_target.setdefault(new.row["target_id"], []).append(new)
        values, full = [], []
        for target_id, of_target in by_target.items():
            rows_of_target = self._placed(target_id, of_target)
            values += rows_of_target
            if any(row["state"] == AlertState.GIVEN_UP.value for row in rows_of_target):
                full.append(target_id)
        if not values:
            return False
        self._connection.execute(insert(alerts), values)
        for target_id in full:
            _delete_old(self._connection, target_id, now=self._now)
        return True

    def _new_of(self, news: _News, interests: Sequence[Interest]) -> list[_New]:
        if not any(news.kind in interest.kinds for interest in interests):
            return []
        of_run = {"of": news.session_number, "of_run": news.run}
        session = self._connection.execute(_SESSION, of_run).one_or_none()
        if session is None or session.imported:  # the same transaction may have deleted it
            return []
        wanting = [interest for interest in interests if _covers(interest, news, session)]
        facts = self._facts(news, session) if wanting else None
        if facts is None:
            return []
        row = {
            "session_number": news.session_number,
            "kind": news.kind.value,
            "facts": orjson.dumps(facts).decode(),
            "created_at": self._now,
            "state": AlertState.WAITING.value,
            "attempts": 0,
            "next_at": self._now,
            "settled_at": None,
            "error": None,
        }
        is_child = session.parent_session_id is not None
        return [
            _New(
                {**row, "alert_id": f"alert_{uuid4().hex}", "target_id": interest.target_id},
                is_child,
            )
            for interest in wanting
        ]

    def _facts(self, news: _News, session: Row[Any]) -> dict[str, Any] | None:
        """Return the facts of an alert; None if its question is closed already."""
        facts: dict[str, Any] = {
            "session_id": session.session_id,
            "session_name": session.session_name,
            "project_dir": session.project_dir,
            "agent": session.agent,
            "executor": session.executor,
            "parent_session_id": session.parent_session_id,
            "status": "running" if news.kind is AlertKind.WAITING else "finished",
            "state": news.kind.value,
            "run": news.run,
            "reason": news.reason and news.reason.value,
            "exit_code": session.exit_code,
        }
        if news.question_seq is not None:
            of = {"of": news.session_number, "seq": news.question_seq}
            asked = self._connection.execute(_QUESTION, of).one_or_none()
            if asked is None:
                return None
            facts["question"] = _question(asked)
        return facts

    def _placed(self, target_id: str, news: Sequence[_New]) -> list[dict[str, Any]]:
        """Return the rows of one target, those given up for which its queue has no place.

        A session gets no alert about a question while one about an earlier question waits: it
        leads to the same page. So no session can fill the queue with open questions.
        """
        waiting = self._connection.scalar(_WAITING, {"of_target": target_id}) or 0
        had_waiting = waiting > 0
        placed = []
        asking: set[int] = set()
        for row, is_child in news:
            if row["kind"] == AlertKind.WAITING.value:
                number = row["session_number"]
                if number in asking or (had_waiting and self._is_told(target_id, number)):
                    continue
                asking.add(number)
            places = MAX_WAITING - (RESERVED_PLACES if is_child else 0)
            if waiting < places:
                waiting += 1
            else:
                row["state"], row["settled_at"] = AlertState.GIVEN_UP.value, self._now
                row["error"] = f"{waiting} alerts wait for this target already"
            placed.append(row)
        return placed

    def _is_told(self, target_id: str, number: int) -> bool:
        """Return whether an alert waits about a question of a session that is still open."""
        told = self._connection.scalar(_TOLD, {"of_target": target_id, "of": number})
        if told is None:
            return False
        question = rows.readable_fields(told).get("question") or {}
        of = {"of": number, "asked": question.get("question_id")}
        return self._connection.scalar(_IS_OPEN, of) is not None

    def settle(self, change: SettleAlert) -> AlertState | None:
        waiting = self._connection.execute(
            select(alerts.c.number, alerts.c.target_id, alerts.c.created_at, alerts.c.attempts)
            .where(alerts.c.alert_id == change.alert_id, alerts.c.state == AlertState.WAITING.value)
            .with_for_update()
        ).one_or_none()
        if waiting is None:
            return None
        attempts = waiting.attempts + 1
        state = _state_after(change, age=self._now - waiting.created_at)
        pause = pause_after(attempts, asked_seconds=change.asked_seconds)
        values: dict[str, Any] = {"state": state.value, "attempts": attempts}
        if state is AlertState.WAITING:
            values["next_at"] = self._now + rows.to_span(pause)
        else:
            values["settled_at"] = self._now
        if change.error is not None:
            values["error"] = change.error[:MAX_ERROR_CHARS]
        self._connection.execute(
            update(alerts).where(alerts.c.number == waiting.number).values(values)
        )
        _delete_old(self._connection, waiting.target_id, now=self._now)
        return state

    def drop(self, change: DropAlerts) -> None:
        is_removed = alerts.c.target_id.in_(change.target_ids)
        self._connection.execute(delete(alerts).where(or_(is_removed, _is_old(self._now))))

    def give_up(self, change: GiveUpAlerts) -> int:
        given_up = self._connection.execute(
            update(alerts)
            .where(
                alerts.c.target_id == change.target_id, alerts.c.state == AlertState.WAITING.value
            )
            .values(
                state=AlertState.GIVEN_UP.value,
                settled_at=self._now,
                error=change.error[:MAX_ERROR_CHARS],
            )
        ).rowcount
        _delete_old(self._connection, change.target_id, now=self._now)
        return given_up


def _covers(interest: Interest, news: _News, session: Row[Any]) -> bool:
    return interest.covers(
        news.kind,
        project_dir=session.project_dir,
        is_child=session.parent_session_id is not None,
    )


def _state_after(change: SettleAlert, *, age: int) -> AlertState:
    if change.error is None:
        return AlertState.DELIVERED
    return AlertState.WAITING if age < rows.to_span(MAX_AGE) else AlertState.GIVEN_UP


def _question(asked: Row[Any]) -> dict[str, Any]:
    """Return the part of a question that says what it is about."""
    fields = rows.readable_fields(asked.fields)
    items = fields.get("items")
    first = items[0].get("text") if isinstance(items, list) and items else None
    title = fields.get("title") or first or fields.get("tool_name")
    shown = {
        "kind": fields.get("kind"),
        "title": title,
        "why": fields.get("why"),
        "tool_name": fields.get("tool_name"),
        "expires_at": fields.get("expires_at"),
    }
    cut = {name: text[:MAX_TEXT_CHARS] for name, text in shown.items() if isinstance(text, str)}
    return {"question_id": asked.question_id, **cut}


def _delete_old(connection: Connection, target_id: str, *, now: int) -> None:
    """Keep the newest delivered alert of a target, and the newest that were given up."""
    for state, kept in ((AlertState.DELIVERED, 1), (AlertState.GIVEN_UP, MAX_KEPT)):
        of = {"of_target": target_id, "in_state": state.value, "kept": kept}
        last = connection.scalar(_BEYOND, of)
        if last is not None:
            connection.execute(
                delete(alerts).where(
                    alerts.c.target_id == target_id,
                    alerts.c.state == state.value,
                    alerts.c.number <= last,
                )
            )
    connection.execute(delete(alerts).where(_is_old(now)))


def _is_old(now: int) -> ColumnElement[bool]:
    return alerts.c.created_at < now - rows.to_span(KEPT_FOR)
