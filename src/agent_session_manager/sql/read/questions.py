"""The open questions of all sessions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, and_, select, tuple_

from agent_session_manager.domain.errors import InvalidRequestError
from agent_session_manager.domain.sessions.request import RequestKind
from agent_session_manager.sql.read.families import is_below
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import events, questions, requests, sessions
from agent_session_manager.store.feeds import MAX_CHARS
from agent_session_manager.store.queries import Mark, OpenQuestion, QuestionFilter, QuestionPage

_ROWS_AT_ONCE = 32
_ORDER = (questions.c.asked_at, questions.c.session_number, questions.c.seq)
_IS_EVENT = and_(
    events.c.session_number == questions.c.session_number, events.c.seq == questions.c.seq
)
_IS_ANSWER = and_(
    requests.c.session_number == questions.c.session_number,
    requests.c.run == questions.c.run,
    requests.c.request_id == questions.c.question_id,
    requests.c.kind == RequestKind.ANSWER.value,
)
_QUERY = (
    select(
        events,
        *(column.label(f"mark_{place}") for place, column in enumerate(_ORDER)),
        questions.c.question_id,
        sessions.c.session_id,
        sessions.c.session_name,
        sessions.c.project_dir,
        requests.c.payload,
        requests.c.created_at.label("answered_at"),
    )
    .join_from(questions, sessions, sessions.c.number == questions.c.session_number)
    .join(events, _IS_EVENT)
    .outerjoin(requests, _IS_ANSWER)
    # A lost run keeps its questions, but they are not open.
    .where(questions.c.run == sessions.c.last_run, sessions.c.status == "running")
    .order_by(*_ORDER)
)


def list_questions(
    connection: Connection, where: QuestionFilter, *, limit: int, after: Mark | None
) -> QuestionPage:
    """Read one page. It ends early after about `MAX_CHARS` of events.

    Raises:
        InvalidRequestError: `after` is not a mark of this list.
    """
    query = _QUERY.limit(limit + 1).execution_options(yield_per=_ROWS_AT_ONCE)
    if where.session_id is not None:
        query = query.where(sessions.c.session_id == where.session_id)
    if where.family_of is not None:
        query = query.where(is_below(where.family_of))
    if after is not None:
        if len(after) != len(_ORDER) or not all(type(value) is int for value in after):
            raise InvalidRequestError("page must be the `next_page` of a page of questions")
        query = query.where(tuple_(*_ORDER) > after)
    found, has_more = _some(connection, query, limit)
    return QuestionPage(
        questions=[_to_question(row) for row in found],
        next_page=(found[-1].mark_0, found[-1].mark_1, found[-1].mark_2) if has_more else None,
    )


def _some(connection: Connection, query: Select[Any], limit: int) -> tuple[list[Row[Any]], bool]:
    """Return the rows of a page, and whether there are more."""
    found: list[Row[Any]] = []
    size = 0
    with connection.execute(query) as rows_of_questions:
        for row in rows_of_questions:
            if len(found) == limit or size >= MAX_CHARS:
                return found, True
            found.append(row)
            size += len(row.fields)
    return found, False


def _to_question(row: Row[Any]) -> OpenQuestion:
    return OpenQuestion(
        question_id=row.question_id,
        session_id=row.session_id,
        session_name=rows.readable_text(row.session_name),
        project_dir=None if row.project_dir is None else rows.readable_text(row.project_dir),
        event=rows.to_event(row, row.session_id),
        answer=None if row.payload is None else rows.readable_fields(row.payload),
        answered_at=None if row.answered_at is None else rows.to_nearest_moment(row.answered_at),
    )
