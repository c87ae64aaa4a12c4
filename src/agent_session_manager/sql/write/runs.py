"""Runs and their leases, as changes of one transaction.

An expired lease is still valid until the reaper closes its run. So all readers see the run as lost
at the same time.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, assert_never

from sqlalchemy import ColumnElement, Connection, Row, case, insert, literal, select, update

from agent_session_manager.domain.errors import (
    LeaseHeldError,
    RunFinishedError,
    RunNotFoundError,
    RunNotNextError,
    RunSupersededError,
    SessionRunningError,
)
from agent_session_manager.domain.sessions.session import (
    Effect,
    Reason,
    RunState,
    Session,
    State,
    effect_of_claim,
    effect_of_resume,
)
from agent_session_manager.sql.read.current_state import get_current, get_whole, newest_run
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import runs, sessions
from agent_session_manager.sql.write.alerts import Alerts
from agent_session_manager.sql.write.derived.ancestors import tell_above
from agent_session_manager.sql.write.derived.positions import not_before, take_positions
from agent_session_manager.sql.write.derived.states import set_attention, set_states, set_took
from agent_session_manager.sql.write.derived.sums import Sums
from agent_session_manager.sql.write.notices import (
    check_automatic,
    take_notices,
    withdraw_notice,
    write_notices,
)
from agent_session_manager.sql.write.questions import close_questions
from agent_session_manager.sql.write.requests import close_waiting
from agent_session_manager.sql.write.run_tokens import insert_run_token
from agent_session_manager.store.changes import ClaimLease, NewRun, OpenRun, ReleaseLease


class Runs:
    """Changes of runs in the open transaction of `connection`.

    The transaction writes `sums` and `alerts` at its end.

    `now` is the moment of all changes, and `term` the duration of a lease, both in microseconds.
    """

    def __init__(
        self, connection: Connection, sums: Sums, alerts: Alerts, *, now: int, term: int
    ) -> None:
        self._connection = connection
        self._sums = sums
        self._alerts = alerts
        self._now = now
        self._term = term

    def open_exclusive(self, change: OpenRun) -> Session:
        current = get_current(self._connection, change.session_id)
        self.check_resume(current, exclusive=True, takeover=change.takeover)
        if change.run is not None and change.run != current.last_run + 1:
            raise RunNotNextError(change.session_id, change.run, current.last_run)
        if change.is_automatic:
            check_automatic(self._connection, current)
            change = replace(change, notify=self._notifies(current))
        self.open_next(current, change, is_automatic=change.is_automatic)
        if change.takes_notices:
            take_notices(self._connection, current.number, run=current.last_run + 1)
        self._connection.execute(
            update(sessions)
            .where(sessions.c.number == current.number)
            .values(last_resumed_at=self._now)
        )
        return get_whole(self._connection, change.session_id)

    def _notifies(self, current: Row[Any]) -> bool:
        newest = select(runs.c.notify).where(
            runs.c.session_number == current.number, runs.c.run == current.last_run
        )
        return bool(self._connection.scalar(newest))

    def check_resume(self, current: Row[Any], *, exclusive: bool, takeover: bool = False) -> None:
        """Raise if the next run must not be opened."""
        newest = newest_run(current)
        effect = effect_of_resume(newest, exclusive=exclusive, takeover=takeover)
        if effect is Effect.REFUSE:
            raise SessionRunningError(current.session_id, newest.run, current.host)

    def open_next(self, current: Row[Any], new: NewRun, *, is_automatic: bool = False) -> None:
        """Open the next run. A run that is still open is closed as `lost`: it can no longer end."""
        newest = newest_run(current)
        if not newest.finished:
            self._close_as_lost(current.number, newest.run)
        close_waiting(self._connection, current.number, up_to_run=newest.run, now=self._now)
        if new.host != current.host:  # a facet of the session
            self._sums.note_sessions([current.number])
        automatic_runs = current.automatic_runs + 1 if is_automatic else 0
        self.insert(current.number, newest.run + 1, new, automatic_runs=automatic_runs)

    def insert(self, number: int, run: int, new: NewRun, *, automatic_runs: int = 0) -> None:
        self._sums.note_new_run(number, run)
        self._connection.execute(
            insert(runs),
            {
                "session_number": number,
                "run": run,
                "started_at": self._now,
                "host": new.host,
                "spec": rows.dump_fields(new.spec),
                "notify": new.notify,
                "lease_holder": new.holder,
                "lease_expires_at": None if new.holder is None else self._now + self._term,
            },
        )
        tell_above(self._connection, [number])
        self._connection.execute(
            update(sessions)
            .where(sessions.c.number == number)
            .values(
                last_run=run,
                host=new.host,
                automatic_runs=automatic_runs,
                status="running",
                state=State.RUNNING.value,
                attention=None,
                **self.touched(),
            )
        )
        if new.token_digest is not None:
            insert_run_token(self._connection, number, run, new.token_digest)

    def claim(self, change: ClaimLease) -> Session:
        current = get_current(self._connection, change.session_id)
        newest = newest_run(current)
        match effect_of_claim(newest, run=change.run, holder=change.holder):
            case Effect.RENEW:
                self._lease(current, change.holder)
                if newest.holder is None:  # a renewal changes nothing that lists show
                    self._tell(current.number)
            case Effect.REOPEN:
                self._lease(current, change.holder)
                self._set_state(current.number, State.RUNNING)
            case Effect.REFUSE:
                raise _why_refused(change, newest)
            case Effect.NOTHING | Effect.CLOSE | Effect.OPEN_NEXT as impossible:
                raise AssertionError(impossible)
            case other:
                assert_never(other)
        return get_whole(self._connection, change.session_id)

    def open_imported(self, session_id: str, holder: str) -> float | None:
        """Give the holder a lease on the newest run, and open it; return the seconds of the lease.

        None: a client drove the run, or it has a true end.
        """
        current = get_current(self._connection, session_id)
        if not current.imported or current.reason not in (None, Reason.LOST.value):
            return None
        self._lease(current, holder)
        if current.finished_at is not None:
            self._set_state(current.number, State.RUNNING)
        return timedelta(microseconds=self._term).total_seconds()

    def release(self, change: ReleaseLease) -> Session:
        current = get_current(self._connection, change.session_id)
        released = self._connection.execute(
            update(runs)
            .where(
                runs.c.session_number == current.number,
                runs.c.run == change.run,
                runs.c.lease_holder == change.holder,
            )
            .values(lease_holder=None, lease_expires_at=None)
        )
        if released.rowcount:
            self._tell(current.number)
            if current.finished_at is not None:  # a lost run, which cannot return now
                close_questions(self._connection, current.number, up_to_run=change.run)
        return get_whole(self._connection, change.session_id)

    def _tell(self, number: int) -> None:
        """Record a change in the feed that does not count as activity."""
        self._connection.execute(
            update(sessions)
            .where(sessions.c.number == number)
            .values(changed_position=take_positions(self._connection))
        )

    def extend_all(self, by: timedelta | None) -> int:
        """Extend every lease, at most to one full term from now; None: to exactly one full term."""
        full = self._now + self._term
        extended: ColumnElement[int] = literal(full)
        if by is not None:
            later = runs.c.lease_expires_at + round(by / timedelta(microseconds=1))
            extended = case((later < full, later), else_=full)
        return self._connection.execute(
            update(runs)
            .where(runs.c.lease_expires_at.is_not(None))
            .values(lease_expires_at=extended)
        ).rowcount

    def reap(self) -> list[str]:
        """Close each run whose lease has expired as `lost`; return their session ids."""
        expired = self._connection.execute(
            select(runs.c.session_number, runs.c.run, sessions.c.last_run, sessions.c.session_id)
            .join_from(runs, sessions, sessions.c.number == runs.c.session_number)
            .where(runs.c.lease_expires_at <= self._now)
            .with_for_update(of=sessions)
        ).all()
        for row in expired:
            self._close_as_lost(row.session_number, row.run)
            if row.run == row.last_run:
                self._set_state(row.session_number, State.LOST)
                self._alerts.note_end(row.session_number, row.run, Reason.LOST)
        return [row.session_id for row in expired]

    def _close_as_lost(self, number: int, run: int) -> None:
        """Close a run whose holder is silent. The holder stays recorded, so that it can return.

        Open requests stay open, too: a stop must not be lost because the holder was silent.
        """
        self._sums.note_runs([(number, run)])
        self._connection.execute(
            update(runs)
            .where(runs.c.session_number == number, runs.c.run == run)
            .values(
                finished_at=not_before(runs.c.started_at, self._now),
                reason=Reason.LOST.value,
                lease_expires_at=None,
            )
        )
        set_took(self._connection, [number])
        write_notices(self._connection, [(number, run)], now=self._now)

    def _lease(self, current: Row[Any], holder: str) -> None:
        """Give the holder a lease on the newest run for one term; reopen it if it was closed."""
        has_ended = current.reason is not None
        if has_ended:
            self._sums.note_runs([(current.number, current.last_run)])
        self._connection.execute(
            update(runs)
            .where(runs.c.session_number == current.number, runs.c.run == current.last_run)
            .values(
                lease_holder=holder,
                lease_expires_at=self._now + self._term,
                finished_at=None,
                reason=None,
            )
        )
        if current.finished_at is not None:
            set_took(self._connection, [current.number])
        if has_ended:
            set_states(self._connection, [current.number])
            withdraw_notice(self._connection, current.number, current.last_run)

    def _set_state(self, number: int, state: State) -> None:
        status = "running" if state is State.RUNNING else "finished"
        tell_above(self._connection, [number])
        self._connection.execute(
            update(sessions)
            .where(sessions.c.number == number)
            .values(status=status, state=state.value, **self.touched())
        )
        if state is State.RUNNING:  # its supervisor may still wait for answers
            set_states(self._connection, [number])
        else:
            set_attention(self._connection, [number])

    def touched(self) -> dict[str, int]:
        """Return the columns that every change sets in the row of its session."""
        position = take_positions(self._connection)
        return {"last_activity_at": self._now, "changed_position": position}


def _why_refused(
    change: ClaimLease, newest: RunState
) -> RunNotFoundError | RunSupersededError | RunFinishedError | LeaseHeldError:
    if change.run > newest.run:
        return RunNotFoundError(change.session_id, change.run)
    if change.run < newest.run:
        return RunSupersededError(change.session_id, change.run, newest.run)
    if newest.finished or newest.holder is None:
        return RunFinishedError(change.session_id, change.run)
    return LeaseHeldError(change.session_id, change.run, newest.holder)
