"""Open questions, as changes of one transaction, and the check of their answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, bindparam, delete, insert, select

from agent_session_manager.domain.errors import (
    InvalidRequestError,
    QuestionClosedError,
    QuestionNotFoundError,
)
from agent_session_manager.domain.events.question import (
    ASKED,
    DECIDED,
    QuestionStep,
    asked_event_id,
    check_answer,
    decided_event_id,
)
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import events, questions
from agent_session_manager.sql.write.derived.states import set_states
from agent_session_manager.store.changes import CreateRequest

_EVENT: Select[Any] = select(events.c.event_type, events.c.run, events.c.fields).where(
    events.c.session_number == bindparam("of"), events.c.event_id == bindparam("event_id")
)
_IS_OPEN = select(questions.c.seq).where(
    questions.c.session_number == bindparam("of"),
    questions.c.question_id == bindparam("question_id"),
)
_CLOSE = delete(questions).where(
    questions.c.session_number == bindparam("of"),
    questions.c.question_id == bindparam("decided"),
)
_CLOSE_UP_TO = delete(questions).where(
    questions.c.session_number == bindparam("of"), questions.c.run <= bindparam("up_to_run")
)


class QuestionTold(NamedTuple):
    """A step of a question, as the event at `seq` told it."""

    session_number: int
    step: QuestionStep
    run: int
    seq: int
    now: int


def take_steps(connection: Connection, told: Iterable[QuestionTold]) -> None:
    """Open and close questions, and set the states of their sessions.

    The events are stored already. A question whose decision is stored is not opened.
    """
    changed = set()
    for number, step, run, seq, now in told:
        question_id = step.question_id
        changed.add(number)
        if not step.is_asked:
            connection.execute(_CLOSE, {"of": number, "decided": question_id})
        elif _find_event(connection, number, decided_event_id(question_id)) is None:
            opened = {"question_id": question_id, "run": run, "seq": seq, "asked_at": now}
            connection.execute(insert(questions), {"session_number": number, **opened})
    set_states(connection, changed)


def close_questions(connection: Connection, number: int, *, up_to_run: int) -> None:
    """Close the questions of this run and of older runs, which take no answers."""
    connection.execute(_CLOSE_UP_TO, {"of": number, "up_to_run": up_to_run})


def check_answerable(connection: Connection, current: Row[Any], change: CreateRequest) -> None:
    """Raise unless the request answers an open question of the run.

    Raises:
        QuestionNotFoundError: the run has not asked this question.
        QuestionClosedError: the question was decided, or the run has ended.
        InvalidAnswerError: the payload is not an answer to the question.
    """
    question_id = change.request_id
    asked = _find_event(connection, current.number, asked_event_id(question_id))
    if asked is None or asked.event_type != ASKED or asked.run != change.run:
        raise QuestionNotFoundError(change.session_id, question_id)
    is_answerable = current.status == "running" and change.run == current.last_run
    if not (is_answerable and _is_open(connection, current.number, question_id)):
        raise QuestionClosedError(question_id, _decision(connection, current.number, question_id))
    check_answer(rows.readable_fields(asked.fields), change.payload)


def check_id_is_free(connection: Connection, number: int, change: CreateRequest) -> None:
    """Raise if another request has the id of a question: the question could not be answered.

    Raises:
        InvalidRequestError: the id is that of an open question.
    """
    if _is_open(connection, number, change.request_id):
        raise InvalidRequestError(
            f"request_id {change.request_id!r} is the id of a question: send a request of the kind "
            "answer, or use another id"
        )


def _is_open(connection: Connection, number: int, question_id: str) -> bool:
    return (
        connection.execute(_IS_OPEN, {"of": number, "question_id": question_id}).first() is not None
    )


def _decision(connection: Connection, number: int, question_id: str) -> str | None:
    decided = _find_event(connection, number, decided_event_id(question_id))
    if decided is None or decided.event_type != DECIDED:
        return None
    return str(rows.readable_fields(decided.fields).get("decision"))


def _find_event(connection: Connection, number: int, event_id: str) -> Row[Any] | None:
    return connection.execute(_EVENT, {"of": number, "event_id": event_id}).one_or_none()
