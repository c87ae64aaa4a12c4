"""Notices, as changes of one transaction. Promise 17 of the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, and_, bindparam, delete, func, insert, select, update

from agent_session_manager.domain.errors import NotAutomaticError
from agent_session_manager.domain.sessions.notice import MAX_NOTICES_AT_ONCE, hold_of
from agent_session_manager.domain.sessions.request import RequestKind, RequestState
from agent_session_manager.domain.sessions.session import Reason
from agent_session_manager.sql.read.current_state import find_current, get_current, newest_run
from agent_session_manager.sql.read.notices import IS_PENDING, IS_UNDELIVERED, read_batch
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import notices, requests, runs, sessions
from agent_session_manager.sql.write.derived.ancestors import tell
from agent_session_manager.store.changes import OfferNotices, TakeAsKnown

_parents = sessions.alias("parents")
_ENDED = (
    select(runs.c.session_number, runs.c.run, runs.c.reason, _parents.c.number.label("parent"))
    .join_from(runs, sessions, sessions.c.number == runs.c.session_number)
    .join(
        _parents,
        and_(
            _parents.c.session_id == sessions.c.parent_session_id,
            _parents.c.number < sessions.c.number,
        ),
    )
    .where(
        runs.c.notify,
        runs.c.reason.is_not(None),
        runs.c.session_number == bindparam("of"),
        runs.c.run == bindparam("in_run"),
    )
)
_NEWEST_OF_RUN = (
    select(notices)
    .where(notices.c.session_number == bindparam("of"), notices.c.run == bindparam("in_run"))
    .order_by(notices.c.correction.desc())
    .limit(1)
)
_IS_OFFERED = and_(IS_UNDELIVERED, notices.c.batch_id.is_not(None))
_DELIVER = (
    update(notices)
    .where(
        notices.c.parent_number == bindparam("of"),
        IS_UNDELIVERED,
        notices.c.batch_id == bindparam("batch"),
    )
    .values(delivered_at=bindparam("now"))
)
_PUT_BACK = (
    update(notices)
    .where(
        notices.c.parent_number == bindparam("of"),
        _IS_OFFERED,
        notices.c.offered_run <= bindparam("up_to_run"),
    )
    .values(batch_id=None, offered_run=None)
)
_REFUSE = (
    update(notices)
    .where(
        notices.c.parent_number == bindparam("of"),
        IS_UNDELIVERED,
        notices.c.batch_id == bindparam("batch"),
    )
    .values(refused_run=notices.c.offered_run, batch_id=None, offered_run=None)
)
_PENDING = (
    select(notices.c.number)
    .where(notices.c.parent_number == bindparam("of"), IS_PENDING)
    .order_by(notices.c.number)
    .limit(MAX_NOTICES_AT_ONCE)
)
_IS_BUSY = select(func.count()).where(
    notices.c.parent_number == bindparam("of"),
    IS_UNDELIVERED,
    (notices.c.offered_run == bindparam("in_run")) | (notices.c.refused_run == bindparam("in_run")),
)


def write_notices(connection: Connection, ended: Iterable[tuple[int, int]], *, now: int) -> None:
    """Write a notice for each of these ended runs that notifies, given by its session's number.

    A run that was lost and has now reported its true end changes the notice if it is pending. If
    the agent of the parent may know it, a correction is written.
    """
    told = set()
    for number, run in ended:
        key = {"of": number, "in_run": run}
        end = connection.execute(_ENDED, key).one_or_none()
        if end is None:
            continue
        last = connection.execute(_NEWEST_OF_RUN, key).one_or_none()
        if last is not None and last.batch_id is None and last.delivered_at is None:
            change = update(notices).where(notices.c.number == last.number)
            connection.execute(change.values(reason=end.reason))
        elif last is None or last.reason != end.reason:
            values = {
                "session_number": number,
                "run": run,
                "correction": 0 if last is None else last.correction + 1,
                "parent_number": end.parent,
                "reason": end.reason,
                "created_at": now,
            }
            connection.execute(insert(notices), values)
        told.add(end.parent)
    tell(connection, sorted(told))


def withdraw_notice(connection: Connection, number: int, run: int) -> None:
    """Delete the pending notice of a run that was lost and is open again."""
    connection.execute(
        delete(notices).where(notices.c.session_number == number, notices.c.run == run, IS_PENDING)
    )


def deliver_notices(connection: Connection, told: Sequence[dict[str, Any]]) -> None:
    """Mark batches as delivered: each parameter set has a parent, its batch, and the moment."""
    if told:
        connection.execute(_DELIVER, list(told))


def put_back_notices(connection: Connection, number: int, *, up_to_run: int) -> None:
    """Put back the notices that the runs of a session, up to this run, have not delivered."""
    connection.execute(_PUT_BACK, {"of": number, "up_to_run": up_to_run})


def refuse_notices(connection: Connection, number: int, batch_id: str) -> None:
    """Put back the notices of a batch that the run has refused. It gets none again."""
    connection.execute(_REFUSE, {"of": number, "batch": batch_id})


def take_notices(connection: Connection, number: int, *, run: int) -> str | None:
    """Offer the pending notices for a session to this run of it; return the id of the batch."""
    pending = connection.scalars(_PENDING, {"of": number}).all()
    if not pending:
        return None
    batch_id = str(uuid4())
    taken = update(notices).where(notices.c.number.in_(pending))
    connection.execute(taken.values(batch_id=batch_id, offered_run=run))
    return batch_id


def check_automatic(connection: Connection, current: Row[Any]) -> None:
    """Raise if no person asks for the next run, and the notices are no reason for it either."""
    hold = hold_of(
        rows.to_reason(current.reason),
        archived=current.archived_at is not None,
        automatic_runs=current.automatic_runs,
    )
    if hold is not None:
        raise NotAutomaticError(current.session_id, f"its notices are held ({hold.value})")
    if not connection.scalars(_PENDING, {"of": current.number}).first():
        raise NotAutomaticError(current.session_id, "no notice is pending")


def offer_notices(connection: Connection, change: OfferNotices, *, now: int) -> str | None:
    current = get_current(connection, change.session_id)
    newest = newest_run(current)
    if newest.finished or newest.holder is None or current.imported:
        return None
    if connection.scalar(_IS_BUSY, {"of": current.number, "in_run": newest.run}):
        return None
    batch_id = take_notices(connection, current.number, run=newest.run)
    batch = read_batch(connection, current.number, newest.run) if batch_id else None
    if batch is None:
        return None
    connection.execute(
        insert(requests),
        {
            "session_number": current.number,
            "run": newest.run,
            "request_id": batch.batch_id,
            "kind": RequestKind.NOTICE.value,
            "payload": rows.dump_fields({"text": batch.text}),
            "state": RequestState.PENDING.value,
            "created_at": now,
        },
    )
    return batch_id


def take_as_known(connection: Connection, change: TakeAsKnown, *, now: int) -> int:
    """Take the success of the newest run as known, if the newest run of the parent has read it."""
    child = find_current(connection, change.session_id)
    parent = find_current(connection, change.parent.session_id)
    if (
        child is None
        or parent is None
        or parent.number != change.parent.session_number
        or parent.last_run != change.parent.run
    ):
        return 0
    known = connection.execute(
        update(notices)
        .where(
            notices.c.session_number == child.number,
            notices.c.parent_number == parent.number,
            notices.c.run == child.last_run,
            notices.c.reason == Reason.COMPLETED.value,
            IS_PENDING,
        )
        .values(delivered_at=now)
    ).rowcount
    if known:
        tell(connection, [parent.number])
    return known
