"""No run or request ends before its start, even if the clock was set back."""

from __future__ import annotations

from agent_session_manager.domain.sessions.request import Request, RequestKind, RequestState
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import (
    CreateRequest,
    ExtendLeases,
    ReapLeases,
    SettleRequest,
)
from agent_shared.manager_settings import DEFAULT_LEASE_SECONDS
from tests.store.promises.changes import append, create, made
from tests.store.promises.events import stop
from tests.store.promises.stepped_clock import SteppedClock

BACK_SECONDS = -3 * 24 * 3600.0


def asked(store: SqlStore, request_id: str) -> None:
    change = CreateRequest(
        session_id="s", run=1, request_id=request_id, kind=RequestKind.MESSAGE, payload={}
    )
    assert isinstance(made(store, change), Request)


def test_run_stopped_after_a_clock_change_has_no_duration(
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


def test_run_lost_after_a_clock_change_has_no_duration(
    store: SqlStore, clock: SteppedClock
) -> None:
    create(store, holder="h")
    clock.move(BACK_SECONDS)
    made(store, ExtendLeases())  # the reaper does this after a clock change
    clock.move(DEFAULT_LEASE_SECONDS)
    assert made(store, ReapLeases()) == ["s"]
    (run,) = store.list_runs("s")
    assert run.finished_at == run.started_at
