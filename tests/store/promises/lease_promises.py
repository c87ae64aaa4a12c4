"""Promise 9 of `store/protocol.py`: leases.

The leases of the store last `TERM` seconds of its clock.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from agent_session_manager.domain.errors import (
    LeaseHeldError,
    RunFinishedError,
    RunNotFoundError,
    RunNotNextError,
    RunSupersededError,
    SessionNotFoundError,
    SessionRunningError,
)
from agent_session_manager.domain.sessions.session import Lease, Reason, Run, Session
from agent_session_manager.store.changes import (
    ClaimLease,
    DeleteSession,
    ExtendLeases,
    OpenRun,
    ReapLeases,
    ReleaseLease,
    UpdateSession,
)
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import EventFilter
from agent_shared.manager_settings import DEFAULT_LEASE_SECONDS
from tests.store.promises.changes import append, appending, create, made, open_run, seqs_of, update
from tests.store.promises.events import SOME, stop
from tests.store.promises.stepped_clock import START, SteppedClock

TERM = DEFAULT_LEASE_SECONDS


def lease_until(clock: SteppedClock, holder: str = "me") -> Lease:
    """Return a lease that starts now."""
    return Lease(holder=holder, expires_at=clock.now + timedelta(seconds=TERM))


def claim(store: Store, holder: str = "me", *, run: int = 1, session_id: str = "s") -> Session:
    session = try_claim(store, holder, run=run, session_id=session_id)
    assert isinstance(session, Session), session
    return session


def try_claim(store: Store, holder: str = "me", *, run: int = 1, session_id: str = "s") -> Any:
    return made(store, ClaimLease(session_id=session_id, run=run, holder=holder))


def release(store: Store, holder: str = "me", *, run: int = 1) -> Session:
    session = made(store, ReleaseLease(session_id="s", run=run, holder=holder))
    assert isinstance(session, Session), session
    return session


def lose(store: Store, clock: SteppedClock) -> None:
    """Let every lease expire, and reap the runs."""
    clock.move(TERM)
    assert isinstance(made(store, ReapLeases()), list)


def promise_9_new_run_has_its_lease_from_the_start(store: Store, clock: SteppedClock) -> None:
    created = create(store, holder="me", host="h")
    held = Run(run=1, started_at=START, host="h", lease=lease_until(clock))
    assert created.newest_run == held
    assert store.get_session("s") == created
    assert store.list_runs("s") == [held]
    append(store, stop(run=1))
    clock.move(1)
    resumed = open_run(store, holder="another")
    assert resumed.newest_run.lease == lease_until(clock, "another")
    assert create(store, "free").newest_run.lease is None


def promise_9_only_the_holder_can_renew_the_lease(store: Store, clock: SteppedClock) -> None:
    create(store)
    assert claim(store).newest_run.lease == lease_until(clock)
    clock.move(TERM - 1)
    assert claim(store).newest_run.lease == lease_until(clock)
    refused = try_claim(store, "other")
    assert isinstance(refused, LeaseHeldError)
    assert (refused.session_id, refused.run, refused.holder) == ("s", 1, "me")
    assert store.get_session("s").newest_run.lease == lease_until(clock)


def promise_9_renewing_changes_only_the_expiry(store: Store, clock: SteppedClock) -> None:
    create(store, holder="me", spec={"x": 1}, host="h")
    append(store, SOME)
    before, (run,) = store.get_session("s"), store.list_runs("s")
    clock.move(1)
    renewed = claim(store)
    newest = replace(before.newest_run, lease=lease_until(clock))
    assert renewed == store.get_session("s") == replace(before, newest_run=newest)
    assert store.list_runs("s") == [replace(run, lease=lease_until(clock))]


def promise_9_only_the_newest_open_run_can_be_held(store: Store, clock: SteppedClock) -> None:
    assert isinstance(try_claim(store), SessionNotFoundError)
    create(store, holder="me")
    assert isinstance(try_claim(store, run=2), RunNotFoundError)
    append(store, stop(run=1))
    assert isinstance(try_claim(store), RunFinishedError)
    open_run(store)
    superseded = try_claim(store)
    assert isinstance(superseded, RunSupersededError)
    assert (superseded.run, superseded.newest) == (1, 2)


def promise_9_end_of_the_run_ends_the_lease(store: Store, clock: SteppedClock) -> None:
    create(store, holder="me")
    append(store, stop(run=1, exit_code=0))
    assert store.get_session("s").newest_run.lease is None
    assert store.next_expiry() is None
    clock.move(10 * TERM)
    assert made(store, ReapLeases()) == []
    assert store.get_session("s").newest_run.reason is Reason.COMPLETED


def promise_9_stop_without_a_run_does_not_end_a_held_run(store: Store, clock: SteppedClock) -> None:
    create(store, holder="me")
    before = store.get_session("s")
    assert append(store, stop(exit_code=9)) == [1]
    assert store.get_session("s") == replace(before, last_seq=1)
    append(store, stop(run=1, exit_code=0))
    assert store.get_session("s").newest_run.exit_code == 0
    assert seqs_of(store) == [1, 2]


def promise_9_expired_lease_is_held_until_it_is_reaped(store: Store, clock: SteppedClock) -> None:
    create(store, holder="me")
    clock.move(TERM - 0.000001)
    assert made(store, ReapLeases()) == []
    clock.move(100 * TERM)
    assert store.get_status("s") == "running"
    assert isinstance(try_claim(store, "other"), LeaseHeldError)
    assert isinstance(made(store, OpenRun(session_id="s")), SessionRunningError)
    append(store, SOME, stop())
    assert store.get_status("s") == "running"
    assert claim(store).newest_run.lease == lease_until(clock)
    assert made(store, ReapLeases()) == []


def promise_9_reaped_run_is_lost_and_its_session_finished(
    store: Store, clock: SteppedClock
) -> None:
    create(store, holder="me", host="h")
    create(store, "later", holder="me")
    create(store, "never held")
    clock.move(1)
    claim(store, session_id="later")
    clock.move(TERM - 1)
    assert made(store, ReapLeases()) == ["s"]
    session = store.get_session("s")
    lost = Run(run=1, started_at=START, finished_at=clock.now, reason=Reason.LOST, host="h")
    assert (session.status, session.newest_run) == ("finished", lost)
    assert session.last_activity_at == clock.now
    assert store.get_status("s") == "finished"
    assert store.list_runs("s") == [lost]
    assert [store.get_status(other) for other in ("later", "never held")] == ["running"] * 2
    clock.move(1)
    assert [made(store, ReapLeases()) for _ in range(2)] == [["later"], []]
    assert store.get_status("later") == "finished"
    clock.move(1000 * TERM)
    assert made(store, ReapLeases()) == []
    assert store.get_status("never held") == "running"


def promise_9_next_expiry_is_the_earliest_of_all_leases(store: Store, clock: SteppedClock) -> None:
    assert store.next_expiry() is None
    create(store, "a")
    assert store.next_expiry() is None
    create(store, "b", holder="b")
    clock.move(5)
    create(store, "c", holder="c")
    assert store.next_expiry() == START + timedelta(seconds=TERM)
    claim(store, "b", session_id="b")
    clock.move(1)
    claim(store, "b", session_id="b")
    assert store.next_expiry() == START + timedelta(seconds=TERM + 5)
    made(store, DeleteSession(session_id="c", force=True))
    assert store.next_expiry() == clock.now + timedelta(seconds=TERM)
    lose(store, clock)
    assert store.next_expiry() is None


def promise_9_lost_run_can_be_revived_only_by_its_holder(store: Store, clock: SteppedClock) -> None:
    create(store, holder="me")
    append(store, SOME)
    before = store.get_session("s")
    lose(store, clock)
    assert isinstance(try_claim(store, "other"), RunFinishedError)
    clock.move(60)
    again = claim(store)
    assert again == replace(
        before,
        last_activity_at=clock.now,
        newest_run=replace(before.newest_run, lease=lease_until(clock)),
    )
    assert store.get_status("s") == "running"
    assert store.next_expiry() == lease_until(clock).expires_at
    assert isinstance(try_claim(store, "other"), LeaseHeldError)
    append(store, {**SOME, "run": 1}, stop(run=1, exit_code=0))
    assert store.get_session("s").newest_run.reason is Reason.COMPLETED
    events = store.list_events("s", EventFilter(), limit=10).events
    assert [event.late for event in events] == [False] * 3


def promise_9_run_can_be_lost_and_revived_many_times(store: Store, clock: SteppedClock) -> None:
    create(store, holder="me")
    for _ in range(3):
        lose(store, clock)
        assert store.get_status("s") == "finished"
        assert claim(store).status == "running"


def promise_9_lost_run_stays_lost_after_a_newer_run(store: Store, clock: SteppedClock) -> None:
    create(store, holder="me")
    lose(store, clock)
    lost_at = clock.now
    clock.move(1)
    open_run(store, holder="next")
    assert isinstance(try_claim(store), RunSupersededError)
    append(store, stop(run=1, exit_code=0))
    first, second = store.list_runs("s")
    assert (first.reason, first.finished_at, first.exit_code) == (Reason.LOST, lost_at, None)
    assert (second.finished_at, second.lease) == (None, lease_until(clock, "next"))


def promise_9_lost_run_accepts_its_later_end(store: Store, clock: SteppedClock) -> None:
    create(store, holder="me")
    lose(store, clock)
    clock.move(1)
    append(store, stop(exit_code=5))
    assert store.get_session("s").newest_run.reason is Reason.LOST
    append(store, stop(run=1, exit_code=0))
    newest = store.get_session("s").newest_run
    assert (newest.reason, newest.exit_code, newest.finished_at) == (
        Reason.COMPLETED,
        0,
        clock.now,
    )
    assert store.get_status("s") == "finished"
    assert isinstance(try_claim(store), RunFinishedError)
    append(store, stop(run=1, exit_code=1))
    assert store.get_session("s").newest_run == newest


def promise_9_run_with_a_released_lease_is_never_reaped(store: Store, clock: SteppedClock) -> None:
    create(store, holder="me")
    assert release(store, "other").newest_run.lease == lease_until(clock)
    assert release(store).newest_run.lease is None
    assert release(store).newest_run.lease is None
    assert release(store, run=7).status == "running"
    lose(store, clock)
    assert store.get_status("s") == "running"
    assert claim(store, "other").newest_run.lease == lease_until(clock, "other")
    unknown = made(store, ReleaseLease(session_id="none", run=1, holder="me"))
    assert isinstance(unknown, SessionNotFoundError)


def promise_9_extending_gives_every_lease_one_full_term(store: Store, clock: SteppedClock) -> None:
    assert made(store, ExtendLeases()) == 0
    for session_id, holder in (("a", "a"), ("b", "b"), ("ended", "c"), ("free", None)):
        create(store, session_id, holder=holder)
    append(store, stop(run=1), session_id="ended")
    for jump in (TERM + 1, -3 * 24 * 3600):
        clock.move(jump)
        assert made(store, ExtendLeases()) == 2
        for session_id in "ab":
            lease = store.get_session(session_id).newest_run.lease
            assert lease == lease_until(clock, session_id)
    clock.move(TERM - 1)
    assert made(store, ReapLeases()) == []
    clock.move(1)
    reaped = made(store, ReapLeases())
    assert isinstance(reaped, list) and set(reaped) == {"a", "b"}
    assert made(store, ExtendLeases()) == 0


def promise_9_extending_by_a_time_gives_at_most_one_full_term(
    store: Store, clock: SteppedClock
) -> None:
    create(store, session_id="a", holder="a")
    for by, moved, left in ((10, 20, TERM - 10), (-3, 0, TERM - 13), (50, 30, TERM - 0)):
        clock.move(moved)
        assert made(store, ExtendLeases(by=timedelta(seconds=by))) == 1
        lease = store.get_session("a").newest_run.lease
        assert lease is not None
        assert lease.expires_at == clock.now + timedelta(seconds=min(left, TERM))


def promise_9_run_is_opened_only_under_the_expected_number(
    store: Store, clock: SteppedClock
) -> None:
    """A client that read the session before another run was opened cannot open a run."""
    create(store, holder="first")
    expected = OpenRun(session_id="s", run=2, takeover=True, holder="second")
    raced = store.commit([expected, expected])
    assert isinstance(raced[0], Session) and isinstance(raced[1], RunNotNextError)
    append(store, stop(run=2))
    assert isinstance(made(store, OpenRun(session_id="s", run=2)), RunNotNextError)
    assert isinstance(made(store, OpenRun(session_id="s", run=4)), RunNotNextError)
    assert store.get_session("s").newest_run.run == 2
    opened = made(store, OpenRun(session_id="s", run=3))
    assert isinstance(opened, Session) and opened.newest_run.run == 3


def promise_9_next_run_of_a_held_session_needs_a_takeover(
    store: Store, clock: SteppedClock
) -> None:
    create(store, holder="me", host="here")
    before = store.get_session("s")
    for change in (
        OpenRun(session_id="s", holder="other"),
        UpdateSession(session_id="s", session_name="renamed", last_resumed_at=START),
    ):
        refused = made(store, change)
        assert isinstance(refused, SessionRunningError)
        assert (refused.run, refused.host) == (1, "here")
    assert store.get_session("s") == before
    clock.move(1)
    taken = open_run(store, takeover=True, holder="other")
    assert (taken.newest_run.run, taken.newest_run.lease) == (2, lease_until(clock, "other"))
    assert isinstance(try_claim(store), RunSupersededError)
    assert store.list_runs("s")[0].reason is Reason.LOST
    clock.move(TERM)
    assert made(store, ReapLeases()) == ["s"]
    assert update(store, last_resumed_at=START).newest_run.run == 3


def promise_9_held_session_can_be_renamed_and_archived(store: Store, clock: SteppedClock) -> None:
    create(store, holder="me")
    assert update(store, session_name="renamed", archived=True).status == "running"
    assert claim(store).newest_run.lease == lease_until(clock)


def promise_9_held_session_is_deleted_only_with_force(store: Store, clock: SteppedClock) -> None:
    create(store, holder="me")
    append(store, SOME)
    assert isinstance(made(store, DeleteSession(session_id="s")), SessionRunningError)
    assert seqs_of(store) == [1]
    assert made(store, DeleteSession(session_id="s", force=True)) == 1
    assert isinstance(try_claim(store), SessionNotFoundError)
    for session_id in ("free", "ended", "lost"):
        create(store, session_id, holder=None if session_id == "free" else "me")
    append(store, stop(run=1), session_id="ended")
    lose(store, clock)
    for session_id, count in (("free", 0), ("ended", 1), ("lost", 0)):
        assert made(store, DeleteSession(session_id=session_id)) == count


def promise_9_changes_of_one_batch_see_each_other(store: Store, clock: SteppedClock) -> None:
    create(store, holder="me")
    outcomes = store.commit(
        [
            ClaimLease(session_id="s", run=1, holder="other"),
            ReleaseLease(session_id="s", run=1, holder="me"),
            ClaimLease(session_id="s", run=1, holder="other"),
            appending("s", stop()),
            appending("s", stop(run=1, exit_code=3)),
            OpenRun(session_id="s", holder="third"),
            ClaimLease(session_id="s", run=1, holder="other"),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [
        LeaseHeldError,
        Session,
        Session,
        list,
        list,
        Session,
        RunSupersededError,
    ]
    assert [run.exit_code for run in store.list_runs("s")] == [3, None]
