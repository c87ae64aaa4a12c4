"""One transaction of the writer: a batch of changes, made in order.

Every change looks before it writes, so one that is refused has left no trace when its error is
noted as its outcome, and the transaction goes on with the next. Appends that follow one another
are made together: one look at their sessions, one insert of all their events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, assert_never
from uuid import uuid4

from sqlalchemy import Connection, and_, bindparam, delete, insert, select, update

from agent_session_manager.domain.errors import (
    NameTakenError,
    OrchestratorError,
    SessionExistsError,
    SessionNotFoundError,
    SessionRunningError,
)
from agent_session_manager.domain.session import (
    Effect,
    Reason,
    RunState,
    Session,
    effect_of_resume,
)
from agent_session_manager.store import rows
from agent_session_manager.store.appending import append_all
from agent_session_manager.store.base import (
    AppendEvents,
    Change,
    CreateSession,
    DeleteSession,
    OpenRun,
    Outcome,
    UpdateSession,
)
from agent_session_manager.store.tables import events, runs, sessions

_CURRENT = (
    select(sessions, runs.c.finished_at, runs.c.reason, runs.c.host)
    .join_from(
        sessions,
        runs,
        and_(runs.c.session_number == sessions.c.number, runs.c.run == sessions.c.last_run),
    )
    .where(sessions.c.session_id == bindparam("session_id"))
    .with_for_update(of=sessions)
)
_WHOLE = (
    select(sessions, *rows.NEWEST_RUN_COLUMNS)
    .join_from(
        sessions,
        runs,
        and_(runs.c.session_number == sessions.c.number, runs.c.run == sessions.c.last_run),
    )
    .where(sessions.c.session_id == bindparam("session_id"))
)
_HOLDER = select(sessions.c.session_id).where(
    sessions.c.reserved_project == bindparam("project"),
    sessions.c.reserved_name == bindparam("name"),
)


class Transaction:
    """A transaction that is open on `connection`; every moment in it is `now`."""

    def __init__(self, connection: Connection, *, now: datetime) -> None:
        self._connection = connection
        self._now = rows.to_microseconds(now)

    def make(self, changes: Sequence[Change]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for are_appends, group in groupby(changes, lambda c: isinstance(c, AppendEvents)):
            if are_appends:
                appends = [change for change in group if isinstance(change, AppendEvents)]
                outcomes += append_all(self._connection, appends, now=self._now)
            else:
                outcomes += [self._make_one(change) for change in group]
        return outcomes

    def _make_one(self, change: Change) -> Outcome:
        try:
            match change:
                case CreateSession():
                    return self._create(change)
                case UpdateSession():
                    return self._update(change)
                case OpenRun():
                    return self._open_run(change)
                case DeleteSession():
                    return self._delete(change)
                case AppendEvents():
                    return append_all(self._connection, [change], now=self._now)[0]
                case _:
                    assert_never(change)
        except OrchestratorError as refusal:
            return refusal

    def _create(self, new: CreateSession) -> Session:
        found = self._connection.execute(_CURRENT, {"session_id": new.session_id}).one_or_none()
        if found is not None:
            raise SessionExistsError(new.session_id)
        reservation = _reservation(new.session_name, new.project_dir) if new.unique_name else _NONE
        self._check_free(reservation)
        inserted = self._connection.execute(
            insert(sessions),
            {
                "session_id": new.session_id,
                "generation": uuid4().hex,
                "session_name": new.session_name,
                "project_dir": new.project_dir,
                "agent_name": new.agent_name,
                "executor": new.executor,
                "parent_session_id": new.parent_session_id,
                "created_at": self._now,
                "last_activity_at": self._now,
                "status": "running",
                "last_run": 0,
                "last_seq": 0,
                "unique_name": new.unique_name,
                **reservation.columns,
            },
        )
        assert inserted.inserted_primary_key is not None
        self._insert_run(inserted.inserted_primary_key[0], 1, new.host, new.spec)
        return self._whole(new.session_id)

    def _update(self, change: UpdateSession) -> Session:
        current = self._current(change.session_id)
        values: dict[str, Any] = {
            name: value
            for name in ("session_name", "project_dir", "agent_name")
            if (value := getattr(change, name)) is not None
        }
        archived = current.archived_at is not None
        if change.archived is not None and change.archived != archived:
            archived = change.archived
            values["archived_at"] = self._now if archived else None
        reservation = _NONE
        if current.unique_name and not archived:
            reservation = _reservation(
                values.get("session_name", current.session_name),
                values.get("project_dir", current.project_dir),
            )
            self._check_free(reservation, but_for=change.session_id)
        values.update(reservation.columns)
        if change.last_resumed_at is not None:
            values["last_resumed_at"] = rows.to_microseconds(change.last_resumed_at)
        self._connection.execute(
            update(sessions).where(sessions.c.number == current.number), values
        )
        if change.last_resumed_at is not None:
            self._open_next(current, exclusive=False)
        return self._whole(change.session_id)

    def _open_run(self, change: OpenRun) -> Session:
        current = self._current(change.session_id)
        self._open_next(
            current,
            exclusive=True,
            takeover=change.takeover,
            host=change.host,
            spec=change.spec,
        )
        self._connection.execute(
            update(sessions)
            .where(sessions.c.number == current.number)
            .values(last_resumed_at=self._now)
        )
        return self._whole(change.session_id)

    def _open_next(
        self,
        current: Any,
        *,
        exclusive: bool,
        takeover: bool = False,
        host: str | None = None,
        spec: dict[str, Any] | None = None,
    ) -> None:
        newest = RunState(
            run=current.last_run,
            finished=current.finished_at is not None,
            reason=None if current.reason is None else Reason(current.reason),
        )
        effect = effect_of_resume(newest, exclusive=exclusive, takeover=takeover)
        if effect is Effect.REFUSE:
            raise SessionRunningError(current.session_id, newest.run, current.host)
        if not newest.finished:  # nobody said how it ended, and nobody can any more
            self._connection.execute(
                update(runs)
                .where(runs.c.session_number == current.number, runs.c.run == newest.run)
                .values(finished_at=self._now, reason=Reason.LOST.value)
            )
        self._insert_run(current.number, newest.run + 1, host, spec)

    def _insert_run(
        self, number: int, run: int, host: str | None, spec: dict[str, Any] | None
    ) -> None:
        self._connection.execute(
            insert(runs),
            {
                "session_number": number,
                "run": run,
                "started_at": self._now,
                "host": host,
                "spec": rows.dump_fields(spec),
            },
        )
        self._connection.execute(
            update(sessions)
            .where(sessions.c.number == number)
            .values(last_run=run, status="running", last_activity_at=self._now)
        )

    def _delete(self, change: DeleteSession) -> int:
        number = self._current(change.session_id).number
        deleted = self._connection.execute(delete(events).where(events.c.session_number == number))
        self._connection.execute(delete(runs).where(runs.c.session_number == number))
        self._connection.execute(delete(sessions).where(sessions.c.number == number))
        return deleted.rowcount

    def _current(self, session_id: str) -> Any:
        found = self._connection.execute(_CURRENT, {"session_id": session_id}).one_or_none()
        if found is None:
            raise SessionNotFoundError(session_id)
        return found

    def _whole(self, session_id: str) -> Session:
        return rows.to_session(self._connection.execute(_WHOLE, {"session_id": session_id}).one())

    def _check_free(self, reservation: _Reservation, *, but_for: str | None = None) -> None:
        if reservation.name is None:
            return
        holder = self._connection.scalar(
            _HOLDER, {"project": reservation.project, "name": reservation.name}
        )
        if holder not in (None, but_for):
            raise NameTakenError(reservation.name, holder)


@dataclass(frozen=True, kw_only=True)
class _Reservation:
    """What keeps others of a project from a name; both None where nothing is reserved."""

    project: str | None = None
    name: str | None = None

    @property
    def columns(self) -> dict[str, str | None]:
        return {"reserved_project": self.project, "reserved_name": self.name}


_NONE = _Reservation()


def _reservation(session_name: str, project_dir: str | None) -> _Reservation:
    return _Reservation(project=project_dir or "", name=session_name)
