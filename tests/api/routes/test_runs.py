"""Leases and requests through HTTP: the responses of each route, and each refusal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.routes.test_routes import MOMENT, without_moments
from tests.support.api import Answer, Api
from tests.support.manager import RunningManager
from tests.support.rows import each_row

NewId = Callable[[], str]

ME, OTHER = {"holder": "me"}, {"holder": "other"}
STOP = {"request_id": "r-1", "kind": "stop"}
END = {"event_type": "session_stop", "exit_code": 0, "run": 1}


@pytest.fixture
def held(api: Api, new_id: NewId) -> str:
    """Return the path of a session whose run 1 is held by `me`."""
    session_id = new_id()
    new = {"session_id": session_id, "session_name": session_id, "lease": ME, "host": "here"}
    assert api.post("/sessions", new).status == 201
    return f"/sessions/{session_id}"


@pytest.fixture
def free(session_id: str) -> str:
    """Return the path of a session without a lease."""
    return f"/sessions/{session_id}"


def holder(api: Api, path: str) -> str | None:
    """Return the holder of the lease, which the session and its run must both name."""
    lease = api.get(path).json["session"]["lease"]
    assert lease == api.get(f"{path}/runs").json["runs"][-1]["lease"]
    if lease is None:
        return None
    assert set(lease) == {"holder", "expires_at"}
    assert MOMENT.fullmatch(lease["expires_at"])
    return str(lease["holder"])


def test_session_is_created_with_the_lease_of_its_run_1(api: Api, held: str) -> None:
    assert holder(api, held) == "me"
    session = api.get(held).json["session"]
    assert session["lease"]["expires_at"] > session["created_at"]


def test_run_is_opened_together_with_its_lease(api: Api, held: str) -> None:
    refused = api.post(f"{held}/runs", {"lease": OTHER})
    assert refused.refusal == (409, "session_running")
    assert "here" in refused.json["detail"]
    assert holder(api, held) == "me"
    opened = api.post(f"{held}/runs", {"lease": OTHER, "takeover": True})
    assert (opened.status, opened.json["session"]["run"]) == (201, 2)
    assert opened.json["session"]["lease"]["holder"] == "other" == holder(api, held)
    first, _ = api.get(f"{held}/runs").json["runs"]
    assert (first["reason"], first["lease"]) == ("lost", None)


def test_lease_can_be_taken_renewed_and_released(api: Api, free: str) -> None:
    path = f"{free}/runs/1/lease"
    taken = api.put(path, ME)
    assert (taken.status, taken.json["ok"]) == (200, True)
    renewed = api.put(path, ME)
    first, second = (a.json["session"]["lease"]["expires_at"] for a in (taken, renewed))
    assert first < second
    assert renewed.json == api.get(free).json
    assert api.put(path, OTHER).refusal == (409, "lease_held")
    assert api.delete(f"{path}?holder=other").json["session"]["lease"]["holder"] == "me"
    for _ in range(2):
        released = api.delete(f"{path}?holder=me")
        assert (released.status, released.json["session"]["lease"]) == (200, None)
    assert api.put(path, OTHER).status == 200
    assert holder(api, free) == "other"


def test_refused_lease_names_the_reason(api: Api, held: str) -> None:
    assert api.put(f"{held}/runs/2/lease", ME).refusal == (404, "run_not_found")
    refused = api.put(f"{held}/runs/1/lease", OTHER)
    assert refused.refusal == (409, "lease_held")
    assert "me" in refused.json["detail"]
    api.post(f"{held}/events", END)
    assert api.put(f"{held}/runs/1/lease", ME).refusal == (409, "run_finished")
    api.post(f"{held}/runs", {})
    assert api.put(f"{held}/runs/1/lease", ME).refusal == (409, "run_superseded")


def test_one_of_many_concurrent_clients_gets_the_lease(manager: RunningManager, free: str) -> None:
    def claim(name: str) -> int:
        with Api(manager) as own:
            return own.put(f"{free}/runs/1/lease", {"holder": name}).status

    names = [f"holder-{number}" for number in range(16)]
    with ThreadPoolExecutor(16) as threads:
        answers = dict(zip(names, threads.map(claim, names), strict=True))
    assert sorted(answers.values()) == [200] + [409] * 15
    with Api(manager) as api:
        assert answers[holder(api, free) or ""] == 200


def test_held_run_is_ended_only_by_an_event_that_names_it(api: Api, held: str) -> None:
    stop = {"event_type": "session_stop", "exit_code": 7}
    assert api.post(f"{held}/events", stop).json["seqs"] == [1]
    assert api.get(f"{held}/status").json == {"status": "running"}
    assert api.post(f"{held}/events", END).json["seqs"] == [2]
    session = api.get(held).json["session"]
    assert (session["status"], session["exit_code"], session["lease"]) == ("finished", 0, None)


def test_held_session_is_not_resumed_by_last_resumed_at(api: Api, held: str, free: str) -> None:
    resumed = {"last_resumed_at": "2024-01-01T00:00:00Z", "session_name": "renamed"}
    assert api.patch(held, resumed).refusal == (409, "session_running")
    assert api.get(held).json["session"]["session_name"] != "renamed"
    assert api.patch(free, resumed).json["session"]["run"] == 2


def test_held_session_is_deleted_only_with_force(api: Api, held: str) -> None:
    assert api.delete(held).refusal == (409, "session_running")
    assert api.delete(f"{held}?force=false").refusal == (409, "session_running")
    for wrong in ("force=2", "force=", "forced=true", "force=true&x=1"):
        assert api.delete(f"{held}?{wrong}").refusal == (422, "invalid_request")
    assert api.delete(f"{held}?force=true").json["deleted"]["session"] is True
    assert api.put(f"{held}/runs/1/lease", ME).refusal == (404, "session_not_found")


def test_request_is_created_once_then_listed_and_settled(api: Api, held: str) -> None:
    path = f"{held}/runs/1/requests"
    asked = api.post(path, {**STOP, "payload": {"why": ["it", 1.5, None]}})
    assert (asked.status, asked.json["ok"]) == (201, True)
    assert without_moments(asked.json["request"]) == {
        "request_id": "r-1",
        "run": 1,
        "kind": "stop",
        "payload": {"why": ["it", 1.5, None]},
        "state": "pending",
        "detail": None,
        "created_at": "moment",
        "settled_at": None,
    }
    again = api.post(path, {**STOP, "kind": "message"})
    assert (again.status, again.json) == (201, asked.json)
    assert api.get(path).json == {"requests": [asked.json["request"]]}
    seen = api.put(f"{path}/r-1", {"state": "acknowledged", "detail": "on it"})
    assert seen.status == 200
    request = {**asked.json["request"], "state": "acknowledged", "detail": "on it"}
    assert seen.json == {"ok": True, "request": request}
    assert api.get(f"{path}?state=pending").json == {"requests": []}
    assert api.get(f"{path}?state=acknowledged").json == {"requests": [request]}
    done = api.put(f"{path}/r-1", {"state": "done"}).json["request"]
    assert (done["state"], done["detail"]) == ("done", None)
    assert MOMENT.fullmatch(done["settled_at"])
    assert api.put(f"{path}/r-1", {"state": "refused"}).json["request"] == done
    assert api.post(path, STOP).json["request"] == done


def test_end_of_the_run_settles_its_requests(api: Api, held: str) -> None:
    path = f"{held}/runs/1/requests"
    api.post(path, STOP)
    api.post(path, {"request_id": "r-2", "kind": "message", "payload": {"text": "x"}})
    api.post(f"{held}/events", END)
    states = [(r["request_id"], r["state"]) for r in api.get(path).json["requests"]]
    assert states == [("r-1", "done"), ("r-2", "expired")]


def test_request_to_a_run_that_cannot_handle_it_is_refused(api: Api, held: str) -> None:
    message = {"request_id": "r-2", "kind": "message"}
    assert api.post(f"{held}/runs/2/requests", STOP).refusal == (404, "run_not_found")
    api.post(f"{held}/runs/1/requests", STOP)
    api.post(f"{held}/events", END)
    assert api.post(f"{held}/runs/1/requests", message).refusal == (409, "run_finished")
    api.post(f"{held}/runs", {})
    assert api.post(f"{held}/runs/1/requests", message).refusal == (409, "run_superseded")
    assert api.post(f"{held}/runs/1/requests", STOP).status == 201
    settled = api.put(f"{held}/runs/1/requests/r-2", {"state": "done"})
    assert settled.refusal == (404, "request_not_found")


def each_answer(api: Api, run: str) -> Iterator[Answer]:
    """Yield the answer of each route of a run."""
    yield api.put(f"{run}/lease", ME)
    yield api.delete(f"{run}/lease?holder=me")
    yield api.post(f"{run}/requests", STOP)
    yield api.get(f"{run}/requests")
    yield api.put(f"{run}/requests/r-1", {"state": "done"})


def test_every_route_of_an_unknown_session_is_404(api: Api) -> None:
    for unknown in ("unknown", "a" * 129, "%C3%A9", "a%0a"):
        run = f"/sessions/{unknown}/runs/1"
        for answer in (*each_answer(api, run), api.get(f"{run}/requests?wait=5")):
            assert answer.refusal == (404, "session_not_found")


CLAIMS: list[Any] = [
    None, [], "me", {}, {"holder": None}, {"holder": 1}, {"holder": ""}, {"holder": "x" * 201},
    {"holder": "me", "term": 5},
]  # fmt: skip
REQUESTS: list[Any] = [
    None, [], {}, {"kind": "stop"}, {"request_id": "r"}, {**STOP, "request_id": ""},
    {**STOP, "request_id": "-a"}, {**STOP, "request_id": "a" * 129}, {**STOP, "request_id": "é"},
    {**STOP, "request_id": 1}, {**STOP, "kind": "kill"}, {**STOP, "kind": None},
    {**STOP, "kind": 1}, {**STOP, "payload": None}, {**STOP, "payload": []},
    {**STOP, "payload": "x"}, {**STOP, "state": "done"},
]  # fmt: skip
SETTLEMENTS: list[Any] = [
    None, [], {}, {"state": "pending"}, {"state": "expired"}, {"state": "DONE"}, {"state": None},
    {"state": 1}, {"state": "done", "detail": 1}, {"state": "done", "detail": "x" * 4001},
    {"state": "done", "more": 1},
]  # fmt: skip
MALFORMED = [
    pytest.param(method, target, body, id=f"{method} {target} {json.dumps(body)[:40]}")
    for method, target, bodies in (
        ("PUT", "/runs/1/lease", CLAIMS),
        ("POST", "/runs/1/requests", REQUESTS),
        ("PUT", "/runs/1/requests/r-1", SETTLEMENTS),
        ("POST", "/runs", [{"lease": claim} for claim in CLAIMS[1:]]),
    )
    for body in bodies
]


@each_row(("method", "target", "body"), MALFORMED)
def test_malformed_body_is_refused_and_changes_nothing(
    api: Api, held: str, method: str, target: str, body: Any
) -> None:
    api.post(f"{held}/runs/1/requests", STOP)
    before = api.get(held).json, api.get(f"{held}/runs/1/requests").json
    answer = api.call(method, held + target, json.dumps(body).encode())
    assert answer.refusal == (422, "invalid_request")
    assert (api.get(held).json, api.get(f"{held}/runs/1/requests").json) == before


@each_row("target", ["/runs/1/lease", "/runs/1/requests", "/runs/1/requests/r-1"])
def test_body_that_is_not_json_is_refused(api: Api, held: str, target: str) -> None:
    method = "POST" if target.endswith("requests") else "PUT"
    for body, refusal in (
        (b"", (422, "invalid_request")),
        (b"{", (400, "invalid_json")),
        (b'{"holder": "a\\u0000"}', (400, "nul_character")),
        (b'{"payload": ' + b"[" * 70 + b"]" * 70 + b"}", (400, "too_deep")),
        (b'{"holder": "' + b"x" * (4 * 1024 * 1024) + b'"}', (413, "body_too_large")),
    ):
        assert api.call(method, held + target, body).refusal == refusal
    plain = api.call(method, held + target, b"{}", {"Content-Type": "text/plain"})
    assert plain.refusal == (415, "json_only")


@each_row("number", ["0", "-1", "x", "1.5", "+", "%20", "9" * 30, str(2**31)])
def test_invalid_run_number_is_refused(api: Api, held: str, number: str) -> None:
    for answer in each_answer(api, f"{held}/runs/{number}"):
        assert answer.refusal == (422, "invalid_request")


def test_largest_run_number_is_valid_but_not_found(api: Api, held: str) -> None:
    run = f"{held}/runs/{2**31 - 1}"
    assert api.put(f"{run}/lease", ME).refusal == (404, "run_not_found")
    assert api.post(f"{run}/requests", STOP).refusal == (404, "run_not_found")
    assert api.get(f"{run}/requests").json == {"requests": []}


@each_row(
    "query",
    ["state=x", "state=", "wait=-1", "wait=25.1", "wait=nan", "wait=inf", "wait=x", "wait=", "x=1",
     "state=pending&limit=5"],
)  # fmt: skip
def test_invalid_query_is_refused(api: Api, held: str, query: str) -> None:
    assert api.get(f"{held}/runs/1/requests?{query}").refusal == (422, "invalid_request")


@each_row("query", ["", "holder=", "holder=a%00", "holder=me&x=1", "who=me"])
def test_release_without_a_valid_holder_is_refused(api: Api, held: str, query: str) -> None:
    answer = api.delete(f"{held}/runs/1/lease?{query}")
    assert answer.refusal == (422, "invalid_request")
    assert holder(api, held) == "me"


@each_row("request_id", ["-a", "a" * 129, "%C3%A9", "a%0a", "a%00"])
def test_invalid_request_id_is_refused(api: Api, held: str, request_id: str) -> None:
    answer = api.put(f"{held}/runs/1/requests/{request_id}", {"state": "done"})
    assert answer.refusal == (422, "invalid_request")


@each_row(
    ("method", "target", "allowed"),
    [
        ("GET", "/runs/1/lease", {"PUT", "DELETE"}),
        ("DELETE", "/runs/1/requests", {"GET", "POST"}),
        ("DELETE", "/runs/1/requests/r-1", {"GET", "PUT"}),
        ("DELETE", "/runs", {"GET", "POST"}),
    ],
)
def test_unknown_method_is_405_and_lists_allowed_methods(
    api: Api, held: str, method: str, target: str, allowed: set[str]
) -> None:
    answer = api.call(method, held + target)
    assert answer.refusal == (405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_notices_are_told_by_the_manager_only(api: Api, held: str) -> None:
    notice = {"request_id": "n", "kind": "notice", "payload": {"text": "I am the orchestrator"}}
    assert api.post(f"{held}/runs/1/requests", notice).refusal == (422, "invalid_request")
    assert api.post(f"{held}/events", END).status == 201
    automatic = {"lease": ME, "take_notices": True, "automatic": True}
    assert api.post(f"{held}/runs", automatic).refusal == (409, "run_not_automatic")
    assert api.get(f"{held}/runs/1/notices").json["notices"] == {
        "newest_run": 1, "awaited": 0, "undelivered": 0, "due": False, "held": None
    }  # fmt: skip


def test_next_run_has_the_notices_in_its_answer(api: Api, held: str, new_id: NewId) -> None:
    parent, child = held.rpartition("/")[2], new_id()
    below = {"session_id": child, "session_name": "a child", "parent_session_id": parent}
    assert api.post("/sessions", {**below, "notify": True}).status == 201
    assert api.get(f"{held}/runs/1/notices?wait=0").json["notices"]["awaited"] == 1
    assert api.post(f"{held}/events", END).status == 201
    assert api.post(f"/sessions/{child}/events", END).status == 201
    # Answers once the notice is due, and not after the whole wait.
    assert api.get(f"{held}/runs/1/notices?wait=25").json["notices"]["due"] is True
    assert api.get(held).json["session"]["undelivered_notices"] == 1
    opened = api.post(f"{held}/runs", {"lease": ME, "take_notices": True, "automatic": True})
    batch = opened.json["notices"]
    assert 'Session "a child"' in batch["text"]
    told = {"event_type": "message", "role": "user", "notice_batch": batch["batch_id"], "run": 2}
    assert api.post(f"{held}/events", told).status == 201
    assert api.get(held).json["session"]["undelivered_notices"] == 0
