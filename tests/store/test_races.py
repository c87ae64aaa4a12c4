"""Two managers on one PostgreSQL: concurrent changes have the result of a serial order.

Each race is run many times, and both sides start at the same moment.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest

from agent_session_manager.domain.errors import (
    LeaseHeldError,
    NameTakenError,
    QuestionClosedError,
    RunSupersededError,
    SessionExistsError,
    SessionRunningError,
)
from agent_session_manager.domain.sessions.request import Request, RequestKind
from agent_session_manager.domain.sessions.session import Lease, Session
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.change import Change
from agent_session_manager.store.changes import (
    ClaimLease,
    CreateRequest,
    CreateSession,
    OpenRun,
    ReapLeases,
    UpdateSession,
)
from agent_session_manager.store.queries import EventFilter
from agent_shared.manager_settings import DEFAULT_LEASE_SECONDS
from tests.store.promises.changes import append, appending, create, kinds, open_run
from tests.store.promises.events import SOME, decision, question, stop
from tests.store.promises.stepped_clock import SteppedClock
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS

pytestmark = pytest.mark.xdist_group("postgresql")

ROUNDS = 10

Stores = tuple[SqlStore, SqlStore]


@pytest.fixture
def stores(postgresql_url: str, open_stores: Callable[[str], SqlStore]) -> Stores:
    return open_stores(postgresql_url), open_stores(postgresql_url)


def at_once(stores: Stores, first: Change[Any], second: Change[Any]) -> list[Any]:
    """Commit one change in each store at the same moment, and return both outcomes."""
    together = Barrier(2)

    def commit(store: SqlStore, change: Change[Any]) -> Any:
        together.wait(WATCHDOG_SECONDS)
        return store.commit([change])[0]

    with ThreadPoolExecutor(2) as threads:
        waiting = [
            threads.submit(commit, store, change)
            for store, change in zip(stores, (first, second), strict=True)
        ]
        return [future.result(WATCHDOG_SECONDS) for future in waiting]


def winners(outcomes: list[Any], loser: type) -> int:
    """Return the number of successes; all other outcomes must be `loser`."""
    assert set(kinds(outcomes)) <= {Session, loser}
    return kinds(outcomes).count(Session)


def test_only_one_store_creates_an_id(stores: Stores) -> None:
    for n in range(ROUNDS):
        new = CreateSession(session_id=f"s{n}", session_name="x")
        assert winners(at_once(stores, new, new), SessionExistsError) == 1


def test_only_one_session_reserves_a_name(stores: Stores) -> None:
    for n in range(ROUNDS):
        first, second = (
            CreateSession(session_id=f"{side}{n}", session_name=f"name-{n}", unique_name=True)
            for side in "ab"
        )
        outcomes = at_once(stores, first, second)
        assert winners(outcomes, NameTakenError) == 1
        (refused,) = (each for each in outcomes if isinstance(each, NameTakenError))
        assert refused.holder_id in (f"a{n}", f"b{n}")


def test_only_one_session_is_renamed_to_a_name(stores: Stores) -> None:
    for side in "ab":
        create(stores[0], side, session_name=side, unique_name=True)
    for n in range(ROUNDS):
        first, second = (UpdateSession(session_id=side, session_name=f"name-{n}") for side in "ab")
        assert winners(at_once(stores, first, second), NameTakenError) == 1


def test_only_one_store_opens_the_next_run(stores: Stores) -> None:
    create(stores[0])
    for n in range(ROUNDS):
        append(stores[0], stop())
        outcomes = at_once(stores, OpenRun(session_id="s"), OpenRun(session_id="s"))
        assert winners(outcomes, SessionRunningError) == 1
        assert stores[1].get_session("s").newest_run.run == n + 2


def test_only_one_holder_takes_the_lease(stores: Stores) -> None:
    for n in range(ROUNDS):
        create(stores[0], f"s{n}")
        first, second = (ClaimLease(session_id=f"s{n}", run=1, holder=side) for side in "ab")
        outcomes = at_once(stores, first, second)
        assert winners(outcomes, LeaseHeldError) == 1
        (refused,) = (each for each in outcomes if isinstance(each, LeaseHeldError))
        lease = stores[1].get_session(f"s{n}").newest_run.lease
        assert lease is not None and lease.holder == refused.holder


def test_only_one_store_opens_the_next_run_with_a_lease(stores: Stores) -> None:
    create(stores[0])
    for n in range(ROUNDS):
        append(stores[0], stop(run=n + 1))
        first, second = (OpenRun(session_id="s", holder=side) for side in "ab")
        outcomes = at_once(stores, first, second)
        assert winners(outcomes, SessionRunningError) == 1
        lease = stores[0].get_session("s").newest_run.lease
        assert lease is not None and lease.holder == "ab"[kinds(outcomes).index(Session)]


def test_holder_that_returns_while_its_run_is_reaped_holds_it(
    stores: Stores, clock: SteppedClock
) -> None:
    claim = ClaimLease(session_id="s", run=1, holder="me")
    create(stores[0], holder="me")
    for _ in range(ROUNDS):
        clock.move(DEFAULT_LEASE_SECONDS)
        claimed, reaped = at_once(stores, claim, ReapLeases())
        assert (type(claimed), reaped) in [(Session, []), (Session, ["s"])]
        assert stores[1].get_status("s") == "running"


def test_lost_run_is_either_revived_or_resumed(stores: Stores, clock: SteppedClock) -> None:
    for n in range(ROUNDS):
        create(stores[0], f"s{n}", holder="me")
        clock.move(DEFAULT_LEASE_SECONDS)
        stores[0].commit([ReapLeases()])
        assert stores[1].get_status(f"s{n}") == "finished"
        claimed, resumed = at_once(
            stores,
            ClaimLease(session_id=f"s{n}", run=1, holder="me"),
            OpenRun(session_id=f"s{n}", holder="other"),
        )
        assert (type(claimed), type(resumed)) in [
            (Session, SessionRunningError),
            (RunSupersededError, Session),
        ]
        holder = "me" if isinstance(claimed, Session) else "other"
        assert stores[1].get_session(f"s{n}").newest_run.lease == Lease(
            holder=holder, expires_at=clock.now + timedelta(seconds=DEFAULT_LEASE_SECONDS)
        )


def test_request_created_by_both_is_stored_once(stores: Stores) -> None:
    create(stores[0])
    for n in range(ROUNDS):
        asking = CreateRequest(
            session_id="s", run=1, request_id=str(n), kind=RequestKind.STOP, payload={}
        )
        first, second = at_once(stores, asking, asking)
        assert isinstance(first, Request) and first == second
    assert len(stores[0].list_requests("s", 1)) == ROUNDS


def test_one_of_two_answers_is_stored(stores: Stores) -> None:
    create(stores[0])
    for n in range(ROUNDS):
        append(stores[0], question(str(n)))
        first, second = (
            CreateRequest(
                session_id="s",
                run=1,
                request_id=str(n),
                kind=RequestKind.ANSWER,
                payload={"choice": choice},
            )
            for choice in ("yes", "no")
        )
        stored, other = at_once(stores, first, second)
        assert isinstance(stored, Request) and stored == other
    assert len(stores[0].list_requests("s", 1)) == ROUNDS


def test_answer_and_decision_leave_no_question_open(stores: Stores) -> None:
    create(stores[0])
    for n in range(ROUNDS):
        append(stores[0], question(str(n)))
        yes = CreateRequest(
            session_id="s",
            run=1,
            request_id=str(n),
            kind=RequestKind.ANSWER,
            payload={"choice": "yes"},
        )
        answered, _ = at_once(stores, yes, appending("s", decision(str(n), "timed_out")))
        assert isinstance(answered, Request | QuestionClosedError)
        assert stores[1].get_session("s").waiting_questions == 0


def test_concurrent_takeovers_happen_one_after_the_other(stores: Stores) -> None:
    create(stores[0])
    takeover = OpenRun(session_id="s", takeover=True)
    for n in range(ROUNDS):
        outcomes = at_once(stores, takeover, takeover)
        assert kinds(outcomes) == [Session, Session]
        assert stores[0].get_session("s").newest_run.run == 3 + 2 * n


def test_events_of_two_writers_are_numbered_without_gaps(stores: Stores) -> None:
    create(stores[0])
    together = Barrier(2)

    def append_many(store: SqlStore) -> list[int]:
        together.wait(WATCHDOG_SECONDS)
        return [seq for _ in range(50) for seq in append(store, SOME, SOME)]

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(append_many, stores)
    assert sorted(first + second) == list(range(1, 201))
    page = stores[0].list_events("s", EventFilter(), limit=1000)
    assert [event.seq for event in page.events] == list(range(1, 201))


def test_event_id_is_stored_once(stores: Stores) -> None:
    create(stores[0])
    for n in range(ROUNDS):
        same = appending("s", {**SOME, "event_id": str(n)})
        assert at_once(stores, same, same) == [[n + 1], [n + 1]]


def test_run_has_one_end(stores: Stores) -> None:
    create(stores[0])
    for _ in range(ROUNDS):
        first = appending("s", stop(exit_code=1))
        second = appending("s", stop(exit_code=2))
        assert kinds(at_once(stores, first, second)) == [list, list]
        events = stores[0].list_events("s", EventFilter(before_seq=10**6), limit=2).events
        run = stores[0].get_session("s").newest_run
        assert run.exit_code == events[1].fields["exit_code"]
        open_run(stores[0])


def test_event_during_a_takeover_belongs_to_one_of_the_runs(stores: Stores) -> None:
    for n in range(ROUNDS):
        create(stores[0], f"s{n}")
        taken, seqs = at_once(
            stores,
            OpenRun(session_id=f"s{n}", takeover=True),
            appending(f"s{n}", stop(exit_code=5)),
        )
        assert (type(taken), seqs) == (Session, [1])
        (event,) = stores[0].list_events(f"s{n}", EventFilter(), limit=10).events
        assert not event.late
        codes = [run.exit_code for run in stores[0].list_runs(f"s{n}")]
        assert codes == [5 if event.run == run else None for run in (1, 2)]


def test_two_managers_create_a_database_at_once(
    bare_postgresql_url: str, start_manager: Callable[..., RunningManager]
) -> None:
    """The test uses processes, because Alembic cannot migrate in two threads of one process."""
    arguments = ["--database-url", bare_postgresql_url]
    with ThreadPoolExecutor(2) as threads:
        starting = [threads.submit(start_manager, arguments=arguments) for _ in range(2)]
        managers = [future.result(60) for future in starting]
    for manager, other in (managers, reversed(managers)):
        with Api(manager) as api, Api(other) as elsewhere:
            path = f"/sessions/of-{manager.pid}"
            new = {"session_id": f"of-{manager.pid}", "session_name": "x"}
            assert api.post("/sessions", new).status == 201
            assert elsewhere.post(f"{path}/events", {"event_type": "x"}).json["seqs"] == [1]
            assert api.get(path).json["session"]["last_seq"] == 1
    assert [manager.stop() for manager in managers] == [0, 0]
