"""Promise 10 of `store/protocol.py`: requests to runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from agent_session_manager.domain.errors import (
    OrchestratorError,
    RequestNotFoundError,
    RunFinishedError,
    RunNotFoundError,
    RunSupersededError,
    SessionNotFoundError,
)
from agent_session_manager.domain.sessions.request import (
    FINAL_STATES,
    Request,
    RequestKind,
    RequestState,
)
from agent_session_manager.store.changes import CreateRequest, DeleteSession, SettleRequest
from agent_session_manager.store.protocol import Store
from tests.store.promises.changes import append, create, made, open_run
from tests.store.promises.events import stop
from tests.store.promises.lease_promises import claim, lose
from tests.store.promises.stepped_clock import START, SteppedClock


def ask(store: Store, request_id: str = "r", *, run: int = 1, **fields: Any) -> Request:
    request = try_ask(store, request_id, run=run, **fields)
    assert isinstance(request, Request), request
    return request


def try_ask(
    store: Store,
    request_id: str = "r",
    *,
    run: int = 1,
    session_id: str = "s",
    kind: RequestKind = RequestKind.MESSAGE,
    payload: dict[str, Any] | None = None,
) -> Any:
    return made(
        store,
        CreateRequest(
            session_id=session_id,
            run=run,
            request_id=request_id,
            kind=kind,
            payload=payload or {},
        ),
    )


def settle(
    store: Store, state: RequestState, request_id: str = "r", *, detail: str | None = None
) -> Request:
    change = SettleRequest(session_id="s", run=1, request_id=request_id, state=state, detail=detail)
    request = made(store, change)
    assert isinstance(request, Request), request
    return request


def states(store: Store, run: int = 1) -> dict[str, tuple[RequestState, datetime | None]]:
    """Return the state of each request, and the time at which it was settled."""
    return {r.request_id: (r.state, r.settled_at) for r in store.list_requests("s", run)}


def promise_10_request_is_read_back_complete(store: Store, clock: SteppedClock) -> None:
    create(store)
    payload = {"text": "naïve 🦾\u2028", "n": [1.5, None, 2**63]}
    asked = ask(store, "r-1", payload=payload)
    assert asked == Request(
        request_id="r-1",
        run=1,
        kind=RequestKind.MESSAGE,
        payload=payload,
        state=RequestState.PENDING,
        detail=None,
        created_at=START,
        settled_at=None,
    )
    assert store.list_requests("s", 1) == [asked]


def promise_10_request_sent_again_is_stored_once(store: Store, clock: SteppedClock) -> None:
    create(store)
    asked = ask(store, kind=RequestKind.STOP)
    clock.move(1)
    assert ask(store, kind=RequestKind.MESSAGE, payload={"other": 1}) == asked
    done = settle(store, RequestState.DONE)
    assert ask(store, kind=RequestKind.STOP) == done
    append(store, stop())
    open_run(store)
    assert ask(store, kind=RequestKind.STOP) == done
    of_run_2 = ask(store, run=2)
    assert (of_run_2.run, of_run_2.state) == (2, RequestState.PENDING)
    assert store.list_requests("s", 1) == [done]
    assert store.list_requests("s", 2) == [of_run_2]
    outcomes = store.commit(
        [
            CreateRequest(
                session_id="s", run=2, request_id="twice", kind=RequestKind.STOP, payload={}
            )
        ]
        * 2
    )
    assert outcomes[0] == outcomes[1]
    assert list(states(store, 2)) == ["r", "twice"]


def promise_10_requests_are_listed_in_order_of_creation(store: Store, clock: SteppedClock) -> None:
    create(store)
    create(store, "other")
    made_in_order = ["z", "a", "m", "0"]
    for request_id in made_in_order:
        ask(store, request_id)
        ask(store, request_id, session_id="other")
        clock.move(-1)
    settle(store, RequestState.ACKNOWLEDGED, "a")
    settle(store, RequestState.REFUSED, "0")
    assert list(states(store)) == made_in_order
    for state, expected in (
        (RequestState.PENDING, ["z", "m"]),
        (RequestState.ACKNOWLEDGED, ["a"]),
        (RequestState.REFUSED, ["0"]),
        (RequestState.DONE, []),
    ):
        found = store.list_requests("s", 1, state=state)
        assert [request.request_id for request in found] == expected
    assert store.list_requests("s", 2) == []
    with pytest.raises(SessionNotFoundError):
        store.list_requests("none", 1)


def promise_10_request_takes_each_state_until_a_final_one(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    asked = ask(store)
    clock.move(1)
    seen = settle(store, RequestState.ACKNOWLEDGED, detail="on it")
    assert seen == replace(asked, state=RequestState.ACKNOWLEDGED, detail="on it")
    clock.move(1)
    done = settle(store, RequestState.DONE)
    assert done == replace(asked, state=RequestState.DONE, settled_at=clock.now)
    clock.move(1)
    for state in RequestState:
        assert settle(store, state, detail="too late") == done
    ask(store, "no")
    refused = settle(store, RequestState.REFUSED, "no", detail="cannot")
    assert (refused.state, refused.detail) == (RequestState.REFUSED, "cannot")
    assert settle(store, RequestState.DONE, "no") == refused
    assert {request.state for request in store.list_requests("s", 1)} <= FINAL_STATES
    for session_id, request_id, error in (
        ("none", "r", SessionNotFoundError),
        ("s", "none", RequestNotFoundError),
    ):
        change = SettleRequest(
            session_id=session_id, run=1, request_id=request_id, state=RequestState.DONE
        )
        assert isinstance(made(store, change), error)


def promise_10_request_needs_the_newest_open_run(store: Store, clock: SteppedClock) -> None:
    def refusal(run: int) -> type[OrchestratorError]:
        outcome = try_ask(store, run=run)
        assert isinstance(outcome, OrchestratorError)
        return type(outcome)

    assert refusal(1) is SessionNotFoundError
    create(store, holder="me")
    assert refusal(2) is RunNotFoundError
    lose(store, clock)
    assert refusal(1) is RunFinishedError
    open_run(store)
    assert refusal(1) is RunSupersededError
    append(store, stop())
    assert refusal(2) is RunFinishedError
    assert store.list_requests("s", 1) == store.list_requests("s", 2) == []


def create_with_requests(store: Store, holder: str | None = None) -> None:
    """Create a session with requests: two pending, one acknowledged, one done."""
    create(store, holder=holder)
    ask(store, "stop", kind=RequestKind.STOP)
    ask(store, "message")
    ask(store, "seen")
    ask(store, "done")
    settle(store, RequestState.ACKNOWLEDGED, "seen")
    settle(store, RequestState.DONE, "done")


def expired(at: datetime) -> dict[str, tuple[RequestState, datetime | None]]:
    return {
        "stop": (RequestState.DONE, at),
        "message": (RequestState.EXPIRED, at),
        "seen": (RequestState.EXPIRED, at),
        "done": (RequestState.DONE, START),
    }


def promise_10_end_of_the_run_settles_its_open_requests(store: Store, clock: SteppedClock) -> None:
    create_with_requests(store)
    create(store, "other")
    untouched = ask(store, session_id="other")
    clock.move(1)
    append(store, stop(exit_code=0))
    assert states(store) == expired(clock.now)
    assert store.list_requests("other", 1) == [untouched]


def promise_10_takeover_settles_the_open_requests(store: Store, clock: SteppedClock) -> None:
    create_with_requests(store, holder="me")
    clock.move(1)
    open_run(store, takeover=True)
    assert states(store) == expired(clock.now)


def promise_10_request_to_a_lost_run_waits_for_its_holder(
    store: Store, clock: SteppedClock
) -> None:
    create_with_requests(store, holder="me")
    before = states(store)
    lose(store, clock)
    assert states(store) == before
    claim(store)
    assert states(store) == before
    clock.move(1)
    append(store, stop(run=1, reason="stopped"))
    assert states(store) == expired(clock.now)


def promise_10_request_to_a_lost_run_expires_with_the_next(
    store: Store, clock: SteppedClock
) -> None:
    create_with_requests(store, holder="me")
    lose(store, clock)
    clock.move(1)
    open_run(store)
    assert states(store) == expired(clock.now)


def promise_10_requests_are_deleted_with_their_session(store: Store, clock: SteppedClock) -> None:
    create(store)
    create(store, "other")
    ask(store)
    kept = ask(store, session_id="other")
    made(store, DeleteSession(session_id="s"))
    create(store)
    assert store.list_requests("s", 1) == []
    assert store.list_requests("other", 1) == [kept]
