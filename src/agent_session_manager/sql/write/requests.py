"""Requests to runs, as changes of one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, insert, select, update

from agent_session_manager.domain.errors import (
    RequestNotFoundError,
    RunFinishedError,
    RunNotDrivenError,
    RunNotFoundError,
    RunSupersededError,
)
from agent_session_manager.domain.sessions.request import (
    FINAL_STATES,
    Request,
    RequestKind,
    RequestState,
)
from agent_session_manager.sql.read.current_state import get_current
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import requests
from agent_session_manager.sql.write.derived.positions import not_before
from agent_session_manager.sql.write.notices import put_back_notices, refuse_notices
from agent_session_manager.sql.write.questions import (
    QuestionTold,
    check_answerable,
    check_id_is_free,
    close_questions,
)
from agent_session_manager.store.changes import CreateRequest, SettleRequest
from agent_shared.masking import Masking

_OPEN = [state.value for state in RequestState if state not in FINAL_STATES]

_EXPIRE = (
    update(requests)
    .where(
        requests.c.session_number == bindparam("of"),
        requests.c.run <= bindparam("up_to_run"),
        requests.c.state.in_(_OPEN),
    )
    # The end of the run fulfils a stop request, even if the run ended for another reason.
    .values(
        state=case(
            (requests.c.kind == RequestKind.STOP.value, RequestState.DONE.value),
            else_=RequestState.EXPIRED.value,
        ),
        settled_at=not_before(requests.c.created_at, bindparam("now")),
    )
)


_WITH_TEXTS = select(requests.c.number, requests.c.payload).where(
    requests.c.session_number == bindparam("of"),
    requests.c.run <= bindparam("up_to_run"),
    requests.c.state.in_(_OPEN),
    requests.c.kind != RequestKind.STOP.value,
)
_ANSWER = select(requests.c.number, requests.c.payload).where(
    requests.c.session_number == bindparam("of"),
    requests.c.run == bindparam("of_run"),
    requests.c.request_id == bindparam("question_id"),
    requests.c.kind == RequestKind.ANSWER.value,
    requests.c.state.in_(_OPEN),
)
_FULFIL = (
    update(requests)
    .where(requests.c.number == bindparam("which"))
    .values(
        state=RequestState.DONE.value,
        settled_at=not_before(requests.c.created_at, bindparam("now")),
        payload=bindparam("masked"),
    )
)
_MASK = (
    update(requests)
    .where(requests.c.number == bindparam("which"))
    .values(payload=bindparam("masked"))
)


def create_request(connection: Connection, change: CreateRequest, *, now: int) -> Request:
    current = get_current(connection, change.session_id)
    asked_before = _find(connection, current.number, change.run, change.request_id)
    if asked_before is not None:
        return rows.to_request(asked_before)
    if change.run > current.last_run:
        raise RunNotFoundError(change.session_id, change.run)
    if change.kind is RequestKind.ANSWER:
        check_answerable(connection, current, change)
    else:
        _check_takes_requests(current, change)
        check_id_is_free(connection, current.number, change)
    connection.execute(
        insert(requests),
        {
            "session_number": current.number,
            "run": change.run,
            "request_id": change.request_id,
            "kind": change.kind.value,
            "payload": rows.dump_fields(change.payload),
            "state": RequestState.PENDING.value,
            "created_at": now,
        },
    )
    return _get(connection, current.number, change)


def _check_takes_requests(current: Row[Any], change: CreateRequest) -> None:
    if change.run < current.last_run:
        raise RunSupersededError(change.session_id, change.run, current.last_run)
    if current.finished_at is not None:
        raise RunFinishedError(change.session_id, change.run)
    if current.imported:
        raise RunNotDrivenError(change.session_id, change.run, current.host)


def settle_request(connection: Connection, change: SettleRequest, *, now: int) -> Request:
    number = get_current(connection, change.session_id).number
    found = _get(connection, number, change)
    if found.state in FINAL_STATES:
        return found
    if found.kind is RequestKind.NOTICE and change.state is RequestState.REFUSED:
        refuse_notices(connection, number, change.request_id)
    connection.execute(
        update(requests)
        .where(
            requests.c.session_number == number,
            requests.c.run == change.run,
            requests.c.request_id == change.request_id,
        )
        .values(
            state=change.state.value,
            detail=change.detail,
            settled_at=(
                not_before(requests.c.created_at, now) if change.state in FINAL_STATES else None
            ),
            # The agent has received the unmasked payload; from now on it is only a record.
            **({"payload": _masked(found.payload)} if change.state in FINAL_STATES else {}),
        )
    )
    return _get(connection, number, change)


def settle_answers(connection: Connection, told: Iterable[QuestionTold]) -> None:
    """Settle the answers that have decided their questions, in the transaction of the decisions.

    So a session whose answer is done no longer waits for it.
    """
    for number, step, run, _, now in told:
        if not step.is_answer:
            continue
        which = {"of": number, "of_run": run, "question_id": step.question_id}
        for row in connection.execute(_ANSWER, which).all():
            masked = _masked(rows.readable_fields(row.payload))
            connection.execute(_FULFIL, {"which": row.number, "masked": masked, "now": now})


def close_waiting(connection: Connection, number: int, *, up_to_run: int, now: int) -> None:
    """Close what waits for this run and for older runs, which have ended.

    Their requests expire, their questions are closed, and the notices that they have not told are
    put back.
    """
    _expire_requests(connection, number, up_to_run=up_to_run, now=now)
    close_questions(connection, number, up_to_run=up_to_run)
    put_back_notices(connection, number, up_to_run=up_to_run)


def _expire_requests(connection: Connection, number: int, *, up_to_run: int, now: int) -> None:
    which = {"of": number, "up_to_run": up_to_run}
    for row in connection.execute(_WITH_TEXTS, which).all():
        masked = _masked(rows.readable_fields(row.payload))
        connection.execute(_MASK, {"which": row.number, "masked": masked})
    connection.execute(_EXPIRE, {**which, "now": now})


def _masked(payload: dict[str, Any]) -> str | None:
    return rows.dump_fields(Masking().value(payload))


def _get(connection: Connection, number: int, change: CreateRequest | SettleRequest) -> Request:
    found = _find(connection, number, change.run, change.request_id)
    if found is None:
        raise RequestNotFoundError(change.session_id, change.request_id)
    return rows.to_request(found)


def _find(connection: Connection, number: int, run: int, request_id: str) -> Row[Any] | None:
    return connection.execute(
        select(requests).where(
            requests.c.session_number == number,
            requests.c.run == run,
            requests.c.request_id == request_id,
        )
    ).one_or_none()
