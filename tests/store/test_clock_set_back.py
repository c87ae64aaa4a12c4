"""Nothing ends before it begins, though the clock was set back in between."""

from __future__ import annotations

from agent_session_manager.domain.request import Request, RequestKind, RequestState
from agent_session_manager.domain.session import DEFAULT_LEASE_SECONDS
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import (
    CreateRequest,
    ExtendLeases,
    ReapLeases,
    SettleRequest,
)
from tests.store.promises.conformance import SteppedClock, append, create, made, stop

BACK_SECONDS = -3 * 24 * 3600.0


def asked(store: SqlStore, request_id: str) -> None:
    change = CreateRequest(
        session_id="s", run=1, request_id=request_id, kind=RequestKind.MESSAGE, payload={}
    )
    assert isinstance(made(store, change), Request)


def test_run_that_ends_before_it_began_lasted_for_no_time(
    store: SqlStore, clock: SteppedClock
) -> None:
    create(store)
    asked(store, "expires")
    asked(store, "is settled")
    clock.move(BACK_SECONDS)
    done = SettleRequest(
        session_id="s", run=1, request_id="is settled", state=RequestState.DONE, detail=None
    )
    made(store, done)
    append(store, stop())
    (run,) = store.list_runs("s")
    assert run.finished_at == run.started_at
    requests = store.list_requests("s", 1)
    assert [r.state for r in requests] == [RequestState.EXPIRED, RequestState.DONE]
    assert [r.settled_at for r in requests] == [r.created_at for r in requests]


def test_run_that_is_given_up_before_it_began_lasted_for_no_time(
    store: SqlStore, clock: SteppedClock
) -> None:
    create(store, holder="h")
    clock.move(BACK_SECONDS)
    made(store, ExtendLeases())  # as the reaper does when the clock was set
    clock.move(DEFAULT_LEASE_SECONDS)
    assert made(store, ReapLeases()) == ["s"]
    (run,) = store.list_runs("s")
    assert run.finished_at == run.started_at
