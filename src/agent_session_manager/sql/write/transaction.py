"""One transaction of the writer: a batch of changes, made in order.

Every change checks its conditions before it writes. So a refused change has written nothing: its
outcome is its error, and the transaction continues with the next change. Consecutive appends are
made together: one read of their sessions, one insert of all their events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from agent_session_manager.domain.errors import (
    NameTakenError,
    OrchestratorError,
    RunNotFoundError,
    SessionExistsError,
    SessionRunningError,
)
from agent_session_manager.domain.events.model_request import PriceOf
from agent_session_manager.domain.sessions.alert import Interests
from agent_session_manager.domain.sessions.names import check_name, reserved_name
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.sql.read.current_state import (
    find_current,
    get_current,
    get_whole,
    newest_run,
)
from agent_session_manager.sql.read.descendants import ancestors_of
from agent_session_manager.sql.read.families import parent_for
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import (
    events,
    notices,
    questions,
    requests,
    run_tokens,
    runs,
    sessions,
    usage_facts,
)
from agent_session_manager.sql.write.alerts import Alerts
from agent_session_manager.sql.write.derived.ancestors import tell, tell_above
from agent_session_manager.sql.write.derived.positions import record_deletion, take_positions
from agent_session_manager.sql.write.derived.states import mark_quiet, set_attention
from agent_session_manager.sql.write.derived.sums import Sums
from agent_session_manager.sql.write.events import append_all
from agent_session_manager.sql.write.history import import_history
from agent_session_manager.sql.write.notices import offer_notices, take_as_known
from agent_session_manager.sql.write.requests import create_request, settle_request
from agent_session_manager.sql.write.retention import (
    archive_sessions,
    delete_archived,
    delete_transcripts,
)
from agent_session_manager.sql.write.run_tokens import revoke_run_token
from agent_session_manager.sql.write.runs import Runs
from agent_session_manager.sql.write.transcripts import (
    append_transcript,
    delete_transcript,
    delete_transcripts_of,
    put_summary,
)
from agent_session_manager.store.alerts import DropAlerts, GiveUpAlerts, SettleAlert
from agent_session_manager.store.change import Change
from agent_session_manager.store.changes import (
    AppendEvents,
    ClaimLease,
    CreateRequest,
    CreateSession,
    DeleteSession,
    ExtendLeases,
    MarkQuiet,
    NewRun,
    OfferNotices,
    OpenRun,
    ReapLeases,
    ReleaseLease,
    RevokeRunToken,
    SettleRequest,
    TakeAsKnown,
    UpdateSession,
)
from agent_session_manager.store.history import ImportedHistory, ImportHistory
from agent_session_manager.store.retention import ArchiveSessions, DeleteArchived, DeleteTranscripts
from agent_session_manager.store.transcripts import (
    AppendTranscript,
    DeleteTranscript,
    PutTranscriptSummary,
)

_FIRST_IN_LISTS = select(func.max(sessions.c.list_order))
_HOLDER = select(sessions.c.session_id).where(
    sessions.c.reserved_project == bindparam("project"),
    sessions.c.reserved_name == bindparam("name"),
)


class Transaction:
    """The open transaction of `connection`.

    `now` is the moment of all changes, and `term` the duration of a lease, both in microseconds.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        now: int,
        term: int,
        price_of: PriceOf,
        interests: Interests,
    ) -> None:
        self._connection = connection
        self._now = now
        self._price_of = price_of
        self._sums = Sums(connection)
        self._alerts = Alerts(connection, now=now, interests=interests)
        self._runs = Runs(connection, self._sums, self._alerts, now=now, term=term)
        self.has_alerts = False
        """True if alerts were stored."""

    def make(self, changes: Sequence[Change[Any]]) -> list[Any]:
        outcomes: list[Any] = []
        for are_appends, group in groupby(changes, lambda c: isinstance(c, AppendEvents)):
            if are_appends:
                appends = [change for change in group if isinstance(change, AppendEvents)]
                outcomes += append_all(
                    self._connection,
                    appends,
                    now=self._now,
                    sums=self._sums,
                    price_of=self._price_of,
                    alerts=self._alerts,
                )
            else:
                outcomes += [self._make_one(change) for change in group]
        self._sums.write()
        self.has_alerts = self._alerts.write()
        return outcomes

    def _make_one(self, change: Change[Any]) -> Any:
        try:
            return _MADE_BY[type(change)](self, change)
        except OrchestratorError as refusal:
            return refusal

    def _create(self, new: CreateSession) -> Session:
        parent_session_id = parent_for(self._connection, new)
        if find_current(self._connection, new.session_id) is not None:
            raise SessionExistsError(new.session_id)
        check_name(new.session_name)
        reservation = _reservation(new.session_name, new.project_dir) if new.unique_name else _NONE
        self._check_free(reservation, names_holder=new.caller is None)
        inserted = self._connection.execute(
            insert(sessions),
            {
                "session_id": new.session_id,
                "generation": uuid4().hex,
                "session_name": new.session_name,
                "project_dir": new.project_dir,
                "agent_name": new.agent_name,
                "executor": new.executor,
                "parent_session_id": parent_session_id,
                "created_at": self._now,
                "list_order": self._next_in_lists(),
                "last_activity_at": self._now,
                "status": "running",
                "last_run": 0,
                "last_seq": 0,
                "unique_name": new.unique_name,
                "created_position": take_positions(self._connection),
                **reservation.columns,
            },
        )
        assert inserted.inserted_primary_key is not None
        number = inserted.inserted_primary_key[0]
        self._sums.note_new_session(number)
        self._runs.insert(number, 1, new)
        return get_whole(self._connection, new.session_id)

    def _next_in_lists(self) -> int:
        """Return a place before all sessions in lists, also if the clock was set back."""
        return max(self._now, self._connection.scalar(_FIRST_IN_LISTS) or 0)

    def _update(self, change: UpdateSession) -> Session:
        current = get_current(self._connection, change.session_id)
        self._check_runs(current, change)
        values: dict[str, Any] = {
            name: value
            for name in ("session_name", "project_dir", "agent_name", "seen_run")
            if (value := getattr(change, name)) is not None
        }
        if values.get("session_name", current.session_name) != current.session_name:
            check_name(values["session_name"])
        archived = current.archived_at is not None
        if change.archived is not None and change.archived != archived:
            archived = change.archived
            values["archived_at"] = self._now if archived else None
            tell_above(self._connection, [current.number])
            if not archived:  # the session is used again: retention counts from now
                values["last_activity_at"] = self._now
        if current.unique_name and values.keys() & _RESERVED_BY:
            reservation = _NONE
            if not archived:
                reservation = _reservation(
                    values.get("session_name", current.session_name),
                    values.get("project_dir", current.project_dir),
                )
                self._check_free(reservation, but_for=change.session_id)
            values.update(reservation.columns)
        values["changed_position"] = take_positions(self._connection)
        if change.last_resumed_at is not None:
            values["last_resumed_at"] = rows.to_microseconds(change.last_resumed_at)
        self._note(current.number, values)
        self._connection.execute(
            update(sessions).where(sessions.c.number == current.number), values
        )
        if values.keys() & _ATTENTION_BY:
            set_attention(self._connection, [current.number])
        if change.last_resumed_at is not None:
            self._runs.open_next(current, NewRun())
        return get_whole(self._connection, change.session_id)

    def _check_runs(self, current: Row[Any], change: UpdateSession) -> None:
        """Raise if the change concerns a run that is open, or does not exist."""
        if change.last_resumed_at is not None:
            self._runs.check_resume(current, exclusive=False)
        if change.seen_run is not None and change.seen_run > current.last_run:
            raise RunNotFoundError(change.session_id, change.seen_run)

    def _note(self, number: int, values: Mapping[str, Any]) -> None:
        """Note the shares of a session in the sums if its new values change them."""
        if values.keys() & _COUNTED_BY:
            self._sums.note_sessions([number])
        if "agent_name" in values:
            self._sums.note_runs_of(number)

    def _delete(self, change: DeleteSession) -> int:
        current = get_current(self._connection, change.session_id)
        newest = newest_run(current)
        if newest.holder is not None and not newest.finished and not change.force:
            raise SessionRunningError(change.session_id, newest.run, current.host)
        above = ancestors_of(self._connection, [current.number])
        self._sums.note_sessions([current.number])
        self._sums.note_runs_of(current.number)
        counts = [
            self._connection.execute(
                delete(table).where(table.c.session_number == current.number)
            ).rowcount
            for table in (events, usage_facts, requests, questions, notices, run_tokens, runs)
        ]
        self._connection.execute(delete(sessions).where(sessions.c.number == current.number))
        delete_transcripts_of(self._connection, change.session_id)
        record_deletion(self._connection, change.session_id)
        tell(self._connection, above)
        return counts[0]

    def _import(self, change: ImportHistory) -> ImportedHistory:
        imported = import_history(
            self._connection, change, now=self._now, sums=self._sums, price_of=self._price_of
        )
        if change.holder is None:
            return imported
        seconds = self._runs.open_imported(change.session_id, change.holder)
        return replace(imported, lease_seconds=seconds)

    def _delete_one(self, session_id: str) -> int:
        return self._delete(DeleteSession(session_id=session_id))

    def _check_free(
        self, reservation: _Reservation, *, but_for: str | None = None, names_holder: bool = True
    ) -> None:
        if reservation.name is None:
            return
        holder = self._connection.scalar(
            _HOLDER, {"project": reservation.project, "name": reservation.name}
        )
        if holder not in (None, but_for):
            raise NameTakenError(reservation.name, holder if names_holder else None)


@dataclass(frozen=True, kw_only=True)
class _Reservation:
    """The reservation of a name in a project; without values if nothing is reserved."""

    project: str | None = None
    name: str | None = None

    @property
    def columns(self) -> dict[str, str | None]:
        return {"reserved_project": self.project, "reserved_name": self.name}


_NONE = _Reservation()
_RESERVED_BY = frozenset({"session_name", "project_dir", "archived_at"})
"""Fields of a session that determine its reservation."""
_ATTENTION_BY = frozenset({"seen_run", "archived_at"})
"""Fields of a session that determine what it expects of a person."""
_COUNTED_BY = frozenset({"project_dir", "agent_name", "archived_at"})
"""Fields of a session that determine the facets in which it counts."""


def _reservation(session_name: str, project_dir: str | None) -> _Reservation:
    return _Reservation(project=project_dir or "", name=reserved_name(session_name))


_MADE_BY: Mapping[type[Change[Any]], Callable[[Transaction, Any], Any]] = {
    CreateSession: Transaction._create,
    UpdateSession: Transaction._update,
    DeleteSession: Transaction._delete,
    OpenRun: lambda t, change: t._runs.open_exclusive(change),
    ClaimLease: lambda t, change: t._runs.claim(change),
    ReleaseLease: lambda t, change: t._runs.release(change),
    ExtendLeases: lambda t, change: t._runs.extend_all(change.by),
    ReapLeases: lambda t, _: t._runs.reap(),
    MarkQuiet: lambda t, change: mark_quiet(t._connection, change),
    RevokeRunToken: lambda t, change: revoke_run_token(t._connection, change),
    ImportHistory: Transaction._import,
    CreateRequest: lambda t, change: create_request(t._connection, change, now=t._now),
    SettleRequest: lambda t, change: settle_request(t._connection, change, now=t._now),
    OfferNotices: lambda t, change: offer_notices(t._connection, change, now=t._now),
    TakeAsKnown: lambda t, change: take_as_known(t._connection, change, now=t._now),
    SettleAlert: lambda t, change: t._alerts.settle(change),
    DropAlerts: lambda t, change: t._alerts.drop(change),
    GiveUpAlerts: lambda t, change: t._alerts.give_up(change),
    AppendTranscript: lambda t, change: append_transcript(t._connection, change, now=t._now),
    PutTranscriptSummary: lambda t, change: put_summary(t._connection, change),
    DeleteTranscript: lambda t, change: delete_transcript(t._connection, change),
    ArchiveSessions: lambda t, change: archive_sessions(
        t._connection, change, now=t._now, sums=t._sums
    ),
    DeleteArchived: lambda t, change: delete_archived(t._connection, change, t._delete_one),
    DeleteTranscripts: lambda t, change: delete_transcripts(t._connection, change),
}
"""The function that makes each kind of change. Appends are missing: they are made together."""
