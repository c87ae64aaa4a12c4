"""Requests of clients of the earlier system, and the responses: all without a token."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from agent_session_manager.api.app import openapi
from agent_session_manager.api.earlier.routes import LAST_DAY
from tests.api.earlier.conftest import PAGE
from tests.api.earlier.earlier_events import AT, event, events_of, send, session_of
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

GUIDE = Path(__file__).parents[3] / "docs/how-to/migrate-from-the-earlier-system.md"
S_FIELDS = [
    "session_id",
    "session_name",
    "status",
    "created_at",
    "project_dir",
    "agent_name",
    "last_resumed_at",
]
NOTHING = dict.fromkeys(
    ("tool_name", "tool_input", "tool_output", "error", "exit_code", "reason", "role", "content")
)
ROUTES = [
    ("POST", "/events"),
    ("GET", "/events/{session_id}"),
    ("PATCH", "/sessions/{session_id}/metadata"),
]


def test_session_of_an_earlier_client_from_start_to_stop(
    earlier: Api, new_id: Callable[[], str]
) -> None:
    session_id = new_id()
    blocks = [{"type": "text", "text": "Done."}]
    sent = [
        event(session_id, "session_start"),
        event(session_id, "message", role="user", content=[{"type": "text", "text": "Go."}]),
        event(session_id, "pre_tool", tool_name="Read", tool_input={"path": "a"}),
        event(session_id, "post_tool", tool_name="Read", tool_output=["b", 1, None]),
        event(session_id, "post_tool", tool_name="Read", error="no"),
        event(session_id, "message", role="assistant", content=blocks),
    ]
    for each in sent:
        assert earlier.post("/events", each).json == {"ok": True}
    assert session_of(earlier, session_id)["status"] == "running"
    sent.append(event(session_id, "session_stop", exit_code=0, reason="completed"))
    assert earlier.post("/events", sent[-1]).json == {"ok": True}

    assert earlier.get(f"/sessions/{session_id}/status").json == {"status": "finished"}
    assert earlier.get(f"/sessions/{session_id}/result").json == {"result": "Done."}
    kept = events_of(earlier, session_id)
    known = {*NOTHING, *sent[0], "id"}
    shown = [{name: value for name, value in each.items() if name in known} for each in kept]
    ids = [each["id"] for each in kept]
    assert shown == [{**NOTHING, **each, "id": own} for each, own in zip(sent, ids, strict=True)]
    assert ids == sorted(set(ids))
    assert all(type(own) is int for own in ids)


def test_session_can_be_created_changed_and_deleted(
    earlier: Api, new_id: Callable[[], str]
) -> None:
    session_id = new_id()
    new = {"session_id": session_id, "session_name": "old", "project_dir": "/p"}
    created = earlier.post("/sessions", new)
    assert (created.status, created.json["ok"]) == (201, True)
    session = created.json["session"]
    assert [session.get(name, "absent") for name in S_FIELDS] == [
        session_id, "old", "running", session["created_at"], "/p", None, None,
    ]  # fmt: skip
    assert earlier.post("/sessions", new).status == 409

    target = f"/sessions/{session_id}/metadata"
    changes = {"session_name": "new", "project_dir": "/q", "agent_name": "a"}
    changed = earlier.patch(target, changes)
    assert (changed.status, changed.json["ok"]) == (200, True)
    assert changed.json["session"] == session_of(earlier, session_id)
    assert {name: changed.json["session"][name] for name in changes} == changes
    for name, value in changes.items():
        assert earlier.patch(target, {name: value + "2"}).json["session"][name] == value + "2"

    send(earlier, session_id, "message")
    deleted = earlier.delete(f"/sessions/{session_id}")
    counts = {"session": True, "events_count": 1}
    assert (deleted.status, deleted.json) == (
        200, {"ok": True, "session_id": session_id, "deleted": counts},
    )  # fmt: skip
    assert events_of(earlier, session_id) == []
    assert earlier.patch(target, changes).refusal == (404, "session_not_found")


def test_metadata_can_resume_a_finished_session(earlier: Api, new_id: Callable[[], str]) -> None:
    session_id = new_id()
    send(earlier, session_id, "session_start")
    send(earlier, session_id, "session_stop")
    resumed = earlier.patch(f"/sessions/{session_id}/metadata", {"last_resumed_at": AT})
    session = resumed.json["session"]
    assert (session["status"], session["last_resumed_at"]) == (
        "running", "2026-01-02T03:04:05.000006Z",
    )  # fmt: skip


def test_start_of_a_finished_session_opens_a_new_run(
    earlier: Api, new_id: Callable[[], str]
) -> None:
    session_id = new_id()
    for run in (1, 2, 3):
        send(earlier, session_id, "session_start")
        session = session_of(earlier, session_id)
        assert (session["status"], session["run"]) == ("running", run)
        assert (session["last_resumed_at"] is None) == (run == 1)
        send(earlier, session_id, "session_stop", exit_code=run)
        session = session_of(earlier, session_id)
        assert (session["status"], session["exit_code"]) == ("finished", run)
    assert len(events_of(earlier, session_id)) == 6


def test_repeated_start_is_stored_but_opens_no_run(earlier: Api, new_id: Callable[[], str]) -> None:
    session_id = new_id()
    for _ in range(3):
        send(earlier, session_id, "session_start")
    runs = earlier.get(f"/sessions/{session_id}/runs").json["runs"]
    assert [(run["run"], run["reason"]) for run in runs] == [(1, None)]
    assert [each["event_type"] for each in events_of(earlier, session_id)] == ["session_start"] * 3


@each_row("was_there", [False, True])
def test_concurrent_starts_open_one_run_and_all_succeed(
    earlier: Api, open_manager: RunningManager, new_id: Callable[[], str], was_there: bool
) -> None:
    threads = 12
    session_ids = [new_id() for _ in range(10)]
    if was_there:
        for session_id in session_ids:
            send(earlier, session_id, "session_start")
            send(earlier, session_id, "session_stop")
    together = threading.Barrier(threads, timeout=WATCHDOG_SECONDS)

    def start(_: int) -> None:
        with Api(open_manager) as api:
            for session_id in session_ids:
                together.wait()
                send(api, session_id, "session_start")

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(start, range(threads)))
    for session_id in session_ids:
        runs = earlier.get(f"/sessions/{session_id}/runs").json["runs"]
        ended = [(1, "completed")] if was_there else []
        assert [(run["run"], run["reason"]) for run in runs] == [*ended, (len(ended) + 1, None)]
        assert len(events_of(earlier, session_id)) == threads + 2 * was_there


def test_earlier_client_cannot_change_a_leased_run(earlier: Api, new_id: Callable[[], str]) -> None:
    session_id = new_id()
    new = {"session_id": session_id, "session_name": "held", "lease": {"holder": "h"}}
    assert earlier.post("/sessions", new).status == 201
    send(earlier, session_id, "session_start")
    send(earlier, session_id, "session_stop")
    session = session_of(earlier, session_id)
    assert (session["status"], session["run"], session["lease"]["holder"]) == ("running", 1, "h")
    target = f"/sessions/{session_id}/metadata"
    assert earlier.patch(target, {"last_resumed_at": AT}).refusal == (409, "session_running")
    assert earlier.delete(f"/sessions/{session_id}").refusal == (409, "session_running")


def test_all_events_of_a_long_session_are_listed(earlier: Api, new_id: Callable[[], str]) -> None:
    session_id = new_id()
    send(earlier, session_id, "session_start")
    for batch in range(3):
        many = [{"event_type": "x", "n": batch * 1000 + n} for n in range(1000)]
        assert earlier.post(f"/sessions/{session_id}/events", many).status == 201
    kept = events_of(earlier, session_id)
    assert [each.get("n") for each in kept] == [None, *range(3000)]


def test_all_events_of_a_large_session_are_listed(earlier: Api, new_id: Callable[[], str]) -> None:
    session_id = new_id()
    send(earlier, session_id, "session_start")
    for n in range(10):
        send(earlier, session_id, "post_tool", tool_output=str(n) * 1024 * 1024)
    kept = events_of(earlier, session_id)[1:]
    assert [each["tool_output"][:2] for each in kept] == [str(n) * 2 for n in range(10)]


@each_row("session_id", ["unknown", "..x", "a%20b", "%C3%A9", "x" * 129])
def test_unknown_session_has_no_events(earlier: Api, session_id: str) -> None:
    assert events_of(earlier, session_id) == []


def test_ids_of_events_grow_over_all_sessions(earlier: Api, new_id: Callable[[], str]) -> None:
    first, second = new_id(), new_id()
    for session_id in (first, second, first, second):
        send(earlier, session_id, "session_start")
    ids = [
        each["id"]
        for pair in zip(events_of(earlier, first), events_of(earlier, second), strict=True)
        for each in pair
    ]
    assert ids == sorted(set(ids))


def test_event_of_a_current_client_has_all_fields(earlier: Api, new_id: Callable[[], str]) -> None:
    session_id = new_id()
    send(earlier, session_id, "session_start")
    new = {"event_type": "usage", "usage": {"input_tokens": 1}}
    assert earlier.post(f"/sessions/{session_id}/events", new).status == 201
    (_, shown) = events_of(earlier, session_id)
    assert shown == {
        **NOTHING,
        **new,
        "session_id": session_id,
        "session_name": None,
        "timestamp": shown["recorded_at"],
        "id": shown["id"],
        "seq": 2,
        "event_id": None,
        "run": 1,
        "late": False,
        "recorded_at": shown["recorded_at"],
    }


def target(path: str) -> str:
    return path.replace("{session_id}", "s")


def test_routes_are_described_as_deprecated() -> None:
    paths = openapi()["paths"]
    deprecated = [
        (method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if operation.get("deprecated")
    ]
    assert sorted(deprecated) == sorted(ROUTES)


def test_answers_have_the_last_day_of_the_routes(earlier: Api, new_id: Callable[[], str]) -> None:
    session_id = new_id()
    answers = [
        earlier.post("/events", event(session_id, "session_start")),
        earlier.get(f"/events/{session_id}"),
        earlier.patch(f"/sessions/{session_id}/metadata", {"session_name": new_id()}),
    ]
    assert [answer.headers.get("sunset") for answer in answers] == [
        "Fri, 31 Dec 2027 00:00:00 GMT"
    ] * len(ROUTES)
    assert f"after {LAST_DAY:%d %B %Y}" in GUIDE.read_text()


@each_row(("method", "path"), ROUTES)
def test_earlier_routes_need_the_token_if_auth_is_on(api: Api, method: str, path: str) -> None:
    body = None if method == "GET" else b"{}"
    without = {"Authorization": ""}
    assert api.call(method, target(path), body, without).refusal == (401, "unauthorized")
    assert api.call(method, target(path), body).status != 401


def of_page(
    manager: RunningManager, method: str, path: str, origin: str, **options: Any
) -> httpx.Response:
    """Send a request as a browser does for a page of another origin."""
    headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site", **options.pop("headers", {})}
    with httpx.Client(trust_env=False, timeout=WATCHDOG_SECONDS, verify=False) as client:
        return client.request(method, manager.url + path, headers=headers, **options)


@each_row(("method", "path"), [*ROUTES, ("DELETE", "/sessions/{session_id}")])
def test_page_of_an_allowed_origin_may_send_and_read(
    open_manager: RunningManager, new_id: Callable[[], str], method: str, path: str
) -> None:
    session_id = new_id()
    start = event(session_id, "session_start")
    sent = of_page(open_manager, "POST", "/events", PAGE, json=start)
    assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (200, PAGE)

    own = path.replace("{session_id}", session_id)
    question = {
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type",
    }
    preflight = of_page(open_manager, "OPTIONS", own, PAGE, headers=question)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, PAGE)
    assert method in preflight.headers["access-control-allow-methods"]
    assert "content-type" in preflight.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in preflight.headers

    body = {"POST": start, "PATCH": {"session_name": "x"}}.get(method)
    answer = of_page(open_manager, method, own, PAGE, json=body)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, PAGE)


@each_row(
    "origin",
    [
        "http://localhost:5174",
        "http://evil.test",
        PAGE + ".evil.test",
        "https://localhost:5173",
        "null",
    ],
)
@each_row(("method", "path"), ROUTES)
def test_page_of_another_origin_is_refused(
    open_manager: RunningManager, method: str, path: str, origin: str
) -> None:
    question = {"Access-Control-Request-Method": method}
    body = None if method == "GET" else event("s", "session_start")
    for answer in (
        of_page(open_manager, "OPTIONS", target(path), origin, headers=question),
        of_page(open_manager, method, target(path), origin, json=body),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
        assert "access-control-allow-origin" not in answer.headers
    assert of_page(open_manager, "GET", "/sessions/s", PAGE).status_code == 404
