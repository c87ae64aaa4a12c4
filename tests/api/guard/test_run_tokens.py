"""Lifetime of the token of a run: from its opening until it is revoked."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from uuid import uuid4

import pytest

from agent_session_manager.api.wire.limits import MAX_FAILURES
from tests.api.guard.family import Family, make_family, open_next
from tests.api.guard.run_routes import FAMILY
from tests.api.guard.run_token import (
    NOT_FOR_RUNS,
    NOT_THERE,
    UNKNOWN,
    leased,
    new,
    token_of,
    with_token,
)
from tests.support.api import Api
from tests.support.manager import RunningManager

StartManager = Callable[[], RunningManager]


def test_older_run_can_append_but_changes_no_state(family: Family, api: Api) -> None:
    open_next(api, family)
    path = f"/sessions/{family.own}"
    stop = {"event_type": "session_stop", "exit_code": 0}
    assert family.run.post(f"{path}/events", {**stop, "run": 2}).refusal == NOT_FOR_RUNS
    assert family.run.post(f"{path}/events", [stop, {**stop, "run": 2}]).refusal == NOT_FOR_RUNS
    assert family.run.post(f"{path}/events", stop).status == 201
    assert family.run.post(f"{path}/events", {**stop, "run": 1}).status == 201
    stored = api.get(f"{path}/events").json["events"]
    assert [(event["run"], event["late"]) for event in stored[1:]] == [(1, True), (1, True)]
    session = api.get(path).json["session"]
    assert (session["run"], session["status"]) == (2, "running")


def test_run_token_is_returned_once_on_opening_with_a_lease(
    manager: RunningManager, api: Api, family: Family
) -> None:
    path = f"/sessions/{family.own}"
    second = open_next(api, family)
    tokens = {family.token, family.agent_token, second}
    assert len(tokens) == 3
    assert "run_token" not in api.post("/sessions", new(uuid4().hex)).json
    unleased = api.post(f"{path}/runs", {"takeover": True})
    assert "run_token" not in unleased.json
    resumed = api.patch(path, {"last_resumed_at": "2026-11-22T12:00:00"})
    assert "run_token" not in resumed.json
    for target in (path, f"{path}/runs", f"{path}/events", "/sessions?limit=1000"):
        said = api.get(target).body
        assert not [token for token in tokens if token.encode() in said]
    files = [file for file in manager.directory.rglob("*") if file.is_file()]
    kept = b"".join(file.read_bytes() for file in files)
    assert family.own.encode() in kept
    assert not [token for token in tokens if token.encode() in kept]


def test_run_token_stays_valid_after_the_end_of_its_run(family: Family, api: Api) -> None:
    path = f"/sessions/{family.own}"
    assert family.run.post(f"{path}/events", {"event_type": "session_stop"}).status == 201
    assert api.get(f"{path}/status").json == {"status": "finished"}
    assert family.run.post(f"{path}/events", {"event_type": "x"}).status == 201
    assert family.run.delete(f"{path}/runs/1/lease?holder=h").status == 200
    assert family.run.get(path).status == 200


def test_run_token_stays_valid_after_a_restart(start_manager: StartManager) -> None:
    manager = start_manager()
    with Api(manager) as api:
        family = make_family(manager, api)
    family.run.close()
    manager.restart()
    for name in FAMILY:
        with with_token(manager, family.token) as run:
            assert run.get(f"/sessions/{family.ids[name]}").status == 200
            assert run.get(f"/sessions/{family.ids['stranger']}").refusal == NOT_THERE


def test_run_token_cannot_be_derived_from_the_agent_token(
    manager: RunningManager, family: Family
) -> None:
    own = f"/sessions/{family.own}"
    secret = family.agent_token.removeprefix("agent-")
    for guess in (f"run-{secret}", f"agent-{family.token.removeprefix('run-')}", secret):
        with with_token(manager, guess) as guessing:
            assert guessing.get(own).status in (401, 429)
    with with_token(manager, family.agent_token) as agent:
        assert agent.get(own).status == 200
        assert family.run.delete(f"{own}/runs/1/token").status == 200
        assert agent.get(own).refusal in (UNKNOWN, (429, "too_many_failures"))


@pytest.mark.parametrize("by_itself", [True, False])
def test_revoked_token_is_refused(family: Family, api: Api, by_itself: bool) -> None:
    path = f"/sessions/{family.own}/runs/1/token"
    revoking = family.run if by_itself else api
    assert revoking.delete(path).json == {"ok": True}
    assert family.run.get(f"/sessions/{family.own}").refusal == UNKNOWN
    assert family.run.delete(path).refusal == UNKNOWN
    assert api.delete(path).json == {"ok": True}


def test_token_of_a_deleted_session_is_refused(family: Family, api: Api) -> None:
    """This holds also after its id was used again."""
    own = f"/sessions/{family.own}"
    assert api.delete(f"{own}?force=true").status == 200
    assert family.run.post(f"{own}/events", {"event_type": "x"}).refusal == UNKNOWN
    token = token_of(api.post("/sessions", leased(family.own)))
    assert family.run.post(f"{own}/events", {"event_type": "x"}).refusal == UNKNOWN
    family.run.headers["Authorization"] = f"Bearer {token}"
    assert family.run.get(own).status == 200
    for name in ("child", "grandchild"):  # children of the deleted session with this id
        assert family.run.get(f"/sessions/{family.ids[name]}").refusal == NOT_THERE


def test_wrong_run_tokens_are_rate_limited_and_valid_ones_not(
    start_manager: StartManager,
) -> None:
    manager = start_manager()
    with Api(manager) as api:
        family = make_family(manager, api)
    guess = "run-" + secrets.token_urlsafe(32)
    with with_token(manager, guess) as guessing, family.run:
        answers = [guessing.get("/sessions").refusal for _ in range(MAX_FAILURES + 2)]
        assert answers == [UNKNOWN] * MAX_FAILURES + [(429, "too_many_failures")] * 2
        assert family.run.get(f"/sessions/{family.own}").status == 200
        for wrong in ("run-", "run-short", family.token + "x", family.token.upper(), "run-\xe9"):
            guessing.headers["Authorization"] = f"Bearer {wrong}"
            assert guessing.get("/sessions").status == 429
