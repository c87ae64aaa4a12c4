"""What a run may do with its token: one table of all routes, and for how long."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

from agent_session_manager.api.app import build_app
from agent_session_manager.api.guard.guard import Guard
from agent_session_manager.api.guard.run_scopes import Confined, Reach, for_runs
from agent_session_manager.api.guard.throttle import Failures
from agent_session_manager.api.http.caller import CALLER
from agent_session_manager.api.routes.page import page_paths
from agent_session_manager.api.wire.limits import MAX_FAILURES
from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.domain.run_token import RunCaller
from tests.support.api import Answer, Api, raw_connection
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.streams import Stream, streaming

Route = tuple[str, str]
StartManager = Callable[[], RunningManager]

NOT_FOR_RUNS = (403, "not_for_runs")
NOT_THERE = (404, "session_not_found")
UNKNOWN = (401, "run_token_unknown")

OWN = {"own"}
FAMILY = {"own", "child", "grandchild"}
NOBODY: set[str] = set()

SESSION = "/sessions/{session_id}"
RUN = SESSION + "/runs/{run}"
REACHED: dict[Route, set[str]] = {
    ("POST", "/sessions"): FAMILY,  # as the parent of what is created
    ("GET", "/sessions"): FAMILY,
    ("GET", SESSION): FAMILY,
    ("GET", SESSION + "/status"): FAMILY,
    ("GET", SESSION + "/result"): FAMILY,
    ("GET", SESSION + "/events"): FAMILY,
    ("GET", SESSION + "/runs"): FAMILY,
    ("POST", SESSION + "/events"): OWN,
    ("PUT", RUN + "/lease"): OWN,
    ("DELETE", RUN + "/lease"): OWN,
    ("DELETE", RUN + "/token"): OWN,
    ("GET", RUN + "/requests"): OWN,
    ("GET", RUN + "/requests/{request_id}"): OWN,
    ("PUT", RUN + "/requests/{request_id}"): OWN,
    ("POST", "/transcripts/entries"): OWN,
    ("GET", "/transcripts/entries"): OWN,
    ("GET", "/transcripts"): OWN,
    ("GET", "/transcripts/summaries"): OWN,
    ("PUT", "/transcripts/summaries"): OWN,
    ("PATCH", SESSION): NOBODY,
    ("DELETE", SESSION): NOBODY,
    ("POST", SESSION + "/runs"): NOBODY,
    ("POST", RUN + "/requests"): NOBODY,
    ("DELETE", "/transcripts"): NOBODY,
    ("GET", "/usage"): NOBODY,
    ("GET", "/facets"): NOBODY,
    ("POST", "/dashboard/codes"): NOBODY,
    ("GET", "/dashboard/tokens"): NOBODY,
    ("DELETE", "/dashboard/tokens/own"): NOBODY,
    ("DELETE", "/dashboard/tokens/{token_id}"): NOBODY,
    ("POST", "/maintenance/vacuum"): NOBODY,
    ("GET", "/openapi.json"): NOBODY,
    ("HEAD", "/openapi.json"): NOBODY,
    ("POST", "/events"): NOBODY,
    ("GET", "/events/{session_id}"): NOBODY,
    ("PATCH", SESSION + "/metadata"): NOBODY,
    ("WebSocket", "/ws"): NOBODY,
}
OPEN = {"/health", "/dashboard/token"}
READ = {route for route, who in REACHED.items() if who is FAMILY and route[0] == "GET"}

ROUTES = [
    (method, str(route.path))
    for route in iter_route_contexts(build_app(None, instance="").routes)
    for method in sorted(route.methods or ["WebSocket"])
    if route.path not in OPEN | page_paths()
]


@dataclass(frozen=True, kw_only=True)
class Family:
    """Sessions around one whose run has a token, by what each is to that one."""

    ids: dict[str, str]
    token: str
    agent_token: str
    run: Api

    @property
    def own(self) -> str:
        return self.ids["own"]


def new(session_id: str, **fields: Any) -> dict[str, Any]:
    return {"session_id": session_id, "session_name": session_id, **fields}


def leased(session_id: str, **fields: Any) -> dict[str, Any]:
    return new(session_id, lease={"holder": "h"}, **fields)


def token_of(answer: Answer) -> str:
    assert answer.status == 201, answer.json
    token = answer.json["run_token"]
    assert isinstance(token, str)
    return token


def with_token(manager: RunningManager, token: str) -> Api:
    """A connection of who has this token."""
    api = Api(manager)
    api.headers = {"Authorization": f"Bearer {token}"}
    return api


def make_family(manager: RunningManager, api: Api) -> Family:
    names = ("parent", "own", "child", "grandchild", "stranger", "unknown")
    ids = {name: str(uuid4()) for name in names}
    api.post("/sessions", leased(ids["parent"]))
    api.post("/sessions", leased(ids["stranger"]))
    opened = api.post("/sessions", leased(ids["own"], parent_session_id=ids["parent"]))
    token = token_of(opened)
    run = with_token(manager, token)
    assert run.post("/sessions", new(ids["child"])).status == 201
    below = new(ids["grandchild"], parent_session_id=ids["child"])
    assert run.post("/sessions", below).status == 201
    asked = {"request_id": "r", "kind": "message", "payload": {}}
    for name in names[:-1]:
        assert api.post(f"/sessions/{ids[name]}/runs/1/requests", asked).status == 201
        transcript = f"/transcripts/entries?project_key=p&session_id={ids[name]}"
        assert api.post(transcript, [{"a": 1}]).status == 201
    return Family(ids=ids, token=token, agent_token=opened.json["agent_token"], run=run)


@pytest.fixture
def family(manager: RunningManager, api: Api) -> Iterator[Family]:
    made = make_family(manager, api)
    with made.run:
        yield made


BODIES: dict[Route, Any] = {
    ("POST", SESSION + "/events"): {"event_type": "x"},
    ("PUT", RUN + "/lease"): {"holder": "h"},
    ("PUT", RUN + "/requests/{request_id}"): {"state": "acknowledged"},
    ("POST", "/transcripts/entries"): [{"b": 1}],
    ("PUT", "/transcripts/summaries"): {"c": 1},
    ("PATCH", SESSION): {"session_name": "x"},
    ("POST", RUN + "/requests"): {"request_id": "s", "kind": "stop"},
    ("PATCH", SESSION + "/metadata"): {"session_name": "x"},
}


def ask(run: Api, manager: RunningManager, token: str, route: Route, session_id: str) -> Answer:
    """Ask what a route is there for, of this session."""
    method, path = route
    target = path.replace("{session_id}", session_id)
    target = target.replace("{run}", "1").replace("{request_id}", "r")
    if path.startswith("/transcripts"):
        target += f"?project_key=p&session_id={session_id}"
    if route == ("PUT", "/transcripts/summaries"):
        target += "&expected_version=0&version=1"
    if path.endswith("/lease") and method == "DELETE":
        target += "?holder=h"
    if method == "WebSocket":
        return handshake(manager, target, token)
    body = BODIES.get(route, {})
    if route == ("POST", "/sessions"):
        body = new(uuid4().hex, parent_session_id=session_id)
    if route == ("POST", "/events"):
        body = {**new(session_id), "event_type": "session_start", "timestamp": "t"}
    if method in ("GET", "HEAD", "DELETE"):
        return run.call(method, target)
    return getattr(run, method.lower())(target, body)  # type: ignore[no-any-return]


def handshake(manager: RunningManager, target: str, token: str) -> Answer:
    request = (
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{manager.port}\r\n"
        f"Authorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with raw_connection(manager.port) as connection:
        return connection.ask(request.encode(), method="HEAD")


def is_reached(route: Route, answer: Answer, session_id: str) -> bool:
    """Whether a run got what it asked for; what it is told otherwise is always the same."""
    method, path = route
    if route == ("GET", "/sessions"):
        return session_id in {found["session_id"] for found in answer.json["sessions"]}
    if path.endswith("/status"):
        assert answer.status == 200
        return bool(answer.json["status"] != "not_existent")
    if method in ("HEAD", "WebSocket"):
        return answer.status != 403
    if answer.status not in (403, 404):
        return answer.status < 500
    if answer.json["code"] in ("not_for_runs", "session_not_found"):
        assert answer.refusal == (NOT_THERE if route in READ else NOT_FOR_RUNS), route
        return False
    return True


def test_the_table_has_every_route_there_is() -> None:
    assert sorted(ROUTES) == sorted(REACHED)


@each_row("route", ROUTES, ids=" ".join)
def test_run_reaches_what_the_table_says(manager: RunningManager, api: Api, route: Route) -> None:
    family = make_family(manager, api)
    with family.run:
        assert reached_by(manager, family, family.token, route) == REACHED[route]


@each_row("route", ROUTES, ids=" ".join)
def test_agent_appends_to_its_own_session_creates_and_reads_and_nothing_else(
    manager: RunningManager, api: Api, route: Route
) -> None:
    is_append = route == ("POST", SESSION + "/events")
    own = REACHED[route] if is_append or REACHED[route] is FAMILY else NOBODY
    family = make_family(manager, api)
    with family.run:
        assert reached_by(manager, family, family.agent_token, route) == own


def reached_by(manager: RunningManager, family: Family, token: str, route: Route) -> set[str]:
    """Of which sessions a run gets what it asks for with this token."""
    family.run.headers["Authorization"] = f"Bearer {token}"
    # Its own last: it may let go of what it is let in with.
    order = sorted(family.ids, key=lambda name: name == "own")
    return {
        name
        for name in order
        if is_reached(
            route, ask(family.run, manager, token, route, family.ids[name]), family.ids[name]
        )
    }


def test_ids_that_look_like_its_own_are_not(family: Family, api: Api) -> None:
    own = family.own
    for like in (own.upper(), own + ".", own[:-1], own + "%0A", own + "%00", f"./{own}"):
        assert family.run.post(f"/sessions/{like}/events", {"event_type": "x"}).status == 403
        assert family.run.get(f"/sessions/{like}").status in (403, 404)
    assert api.post("/sessions", new(own.upper())).status == 201
    assert family.run.get(f"/sessions/{own.upper()}").refusal == NOT_THERE
    both = f"session_id={family.ids['stranger']}&session_id={own}"
    for query in (both, f"session_id={own}&session_id={family.ids['stranger']}", "", "session_id="):
        assert family.run.get(f"/transcripts?project_key=p&{query}").refusal == NOT_FOR_RUNS


def test_run_of_the_path_has_to_be_its_own(
    manager: RunningManager, family: Family, api: Api
) -> None:
    """Also where another number means the same, or its run is not the newest any more."""
    lease = {"holder": "thief"}
    for run in ("2", "01", "+1", "%EF%BC%91", "1.0"):
        path = f"/sessions/{family.own}/runs/{run}"
        assert family.run.put(f"{path}/lease", lease).refusal == NOT_FOR_RUNS
        assert family.run.get(f"{path}/requests").refusal == NOT_FOR_RUNS
        assert family.run.delete(f"{path}/token").refusal == NOT_FOR_RUNS
    with with_token(manager, open_next(api, family)) as newer:
        assert family.run.put(f"/sessions/{family.own}/runs/2/lease", lease).status == 403
        superseded = family.run.put(f"/sessions/{family.own}/runs/1/lease", lease)
        assert superseded.refusal == (409, "run_superseded")
        assert newer.put(f"/sessions/{family.own}/runs/2/lease", {"holder": "n"}).status == 200


def open_next(api: Api, family: Family) -> str:
    """Have the next run of its session opened; the token of that one."""
    body = {"takeover": True, "lease": {"holder": "n"}}
    return token_of(api.post(f"/sessions/{family.own}/runs", body))


def test_older_run_appends_facts_and_changes_nothing(family: Family, api: Api) -> None:
    open_next(api, family)
    path = f"/sessions/{family.own}"
    stop = {"event_type": "session_stop", "exit_code": 0}
    assert family.run.post(f"{path}/events", {**stop, "run": 2}).refusal == NOT_FOR_RUNS
    assert family.run.post(f"{path}/events", [stop, {**stop, "run": 2}]).refusal == NOT_FOR_RUNS
    assert family.run.post(f"{path}/events", stop).status == 201
    assert family.run.post(f"{path}/events", {**stop, "run": 1}).status == 201
    stored = api.get(f"{path}/events").json["events"]
    assert [(event["run"], event["late"]) for event in stored] == [(1, True), (1, True)]
    session = api.get(path).json["session"]
    assert (session["run"], session["status"]) == (2, "running")


def test_token_is_said_once_to_who_opens_a_run_with_a_lease(
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


def test_token_outlives_the_end_of_its_run(family: Family, api: Api) -> None:
    path = f"/sessions/{family.own}"
    assert family.run.post(f"{path}/events", {"event_type": "session_stop"}).status == 201
    assert api.get(f"{path}/status").json == {"status": "finished"}
    assert family.run.post(f"{path}/events", {"event_type": "x"}).status == 201
    assert family.run.delete(f"{path}/runs/1/lease?holder=h").status == 200
    assert family.run.get(path).status == 200


def test_token_outlives_the_manager(start_manager: StartManager) -> None:
    manager = start_manager()
    with Api(manager) as api:
        family = make_family(manager, api)
    family.run.close()
    manager.restart()
    for name in FAMILY:
        with with_token(manager, family.token) as run:
            assert run.get(f"/sessions/{family.ids[name]}").status == 200
            assert run.get(f"/sessions/{family.ids['stranger']}").refusal == NOT_THERE


def test_agents_token_is_of_no_use_to_get_its_supervisors(
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
    """Also where its id is used again."""
    own = f"/sessions/{family.own}"
    assert api.delete(f"{own}?force=true").status == 200
    assert family.run.post(f"{own}/events", {"event_type": "x"}).refusal == UNKNOWN
    token = token_of(api.post("/sessions", leased(family.own)))
    assert family.run.post(f"{own}/events", {"event_type": "x"}).refusal == UNKNOWN
    family.run.headers["Authorization"] = f"Bearer {token}"
    assert family.run.get(own).status == 200
    for name in ("child", "grandchild"):  # of another session that had the id
        assert family.run.get(f"/sessions/{family.ids[name]}").refusal == NOT_THERE


def test_session_under_the_id_of_somebodys_parent_gets_no_child(family: Family, api: Api) -> None:
    missing = uuid4().hex
    orphan = uuid4().hex
    assert api.post("/sessions", new(orphan, parent_session_id=missing)).status == 201
    assert family.run.post("/sessions", new(missing)).refusal == NOT_FOR_RUNS
    assert api.post("/sessions", new(missing, parent_session_id=family.own)).status == 201
    assert family.run.get(f"/sessions/{missing}").status == 200
    assert family.run.get(f"/sessions/{orphan}").refusal == NOT_THERE


def test_child_has_a_token_that_reaches_no_further_than_its_own(
    manager: RunningManager, family: Family
) -> None:
    child = uuid4().hex
    token = token_of(family.run.post("/sessions", leased(child)))
    with with_token(manager, token) as run:
        assert run.get(f"/sessions/{child}").json["session"]["parent_session_id"] == family.own
        for name in ("own", "child", "parent", "stranger"):
            assert run.get(f"/sessions/{family.ids[name]}").refusal == NOT_THERE
        for name in ("own", "parent", "stranger"):
            below = new(uuid4().hex, parent_session_id=family.ids[name])
            assert run.post("/sessions", below).refusal == NOT_FOR_RUNS
    assert family.run.post(f"/sessions/{child}/events", {"event_type": "x"}).status == 403


def test_run_cannot_tell_what_there_is_outside_of_its_family(family: Family, api: Api) -> None:
    api.post("/sessions", new("review", project_dir="/p", unique_name=True))
    refused = [
        family.run.post("/sessions", leased("review")),
        family.run.post("/sessions", new("free")),
        family.run.post("/sessions", new(family.ids["stranger"])),
        family.run.post("/sessions", {**new(str(uuid4())), "parent_session_id": "review"}),
        family.run.post(
            "/sessions",
            {"session_id": str(uuid4()), "session_name": "review", "project_dir": "/p"}
            | {"unique_name": True},
        ),
    ]
    assert {answer.refusal for answer in refused} == {NOT_FOR_RUNS}
    assert len({answer.body for answer in refused}) == 1
    exists = family.run.post("/sessions", new(family.ids["child"]))
    assert exists.refusal == (409, "session_exists")


def test_names_and_prefixes_are_looked_up_in_the_family_alone(family: Family) -> None:
    for name in ("own", "child", "grandchild", "parent", "stranger"):
        session_id = family.ids[name]
        for query in (f"session_name={session_id}", f"id_prefix={session_id[:-1]}&limit=5"):
            found = family.run.get(f"/sessions?{query}").json["sessions"]
            assert [s["session_id"] for s in found] == ([session_id] if name in FAMILY else [])


def test_wrong_run_tokens_are_counted_and_the_right_one_is_taken_all_the_same(
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


def next_change(stream: Stream) -> tuple[str, str]:
    while (frame := stream.next()).name == "ping":
        pass
    session = frame.data.get("session", frame.data)
    return frame.name, session["session_id"]


def test_feed_of_all_sessions_tells_a_run_of_its_family_alone(
    manager: RunningManager, family: Family, api: Api
) -> None:
    authorization = {"Authorization": f"Bearer {family.token}"}
    with streaming(manager, "/sessions", authorization) as stream:
        assert stream.next().name == "ready"
        api.patch(f"/sessions/{family.ids['stranger']}", {"session_name": "secret"})
        api.delete(f"/sessions/{family.ids['stranger']}?force=true")
        api.patch(f"/sessions/{family.ids['grandchild']}", {"session_name": "told"})
        assert next_change(stream) == ("session_updated", family.ids["grandchild"])
        late = uuid4().hex
        api.post("/sessions", new(late, parent_session_id=family.ids["grandchild"]))
        above = {("session_updated", family.ids[name]) for name in FAMILY}  # and not the parent
        assert {next_change(stream) for _ in range(4)} == {("session_created", late), *above}
        api.delete(f"/sessions/{late}")
        assert {next_change(stream) for _ in range(4)} == {("session_deleted", late), *above}
        api.delete(f"/sessions/{family.own}?force=true")
        assert stream.until("bye")[-1].name == "bye"


def test_run_that_comes_back_lists_anew_where_anything_was_deleted(
    family: Family, api: Api
) -> None:
    """Nobody knows any more whose it was."""
    cursor = family.run.get("/sessions?limit=1").json["cursor"]
    api.patch(f"/sessions/{family.ids['child']}", {"session_name": "told"})
    family.run.headers["Accept"] = "text/event-stream"
    api.delete(f"/sessions/{family.ids['stranger']}?force=true")
    refused = family.run.get(f"/sessions?cursor={cursor}")
    assert (refused.status, refused.json["code"]) == (410, "cursor_unknown")


def asked(app: Any, scope: dict[str, Any]) -> str | int:
    """What an application answers a run with: a status, or how a WebSocket ends."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect" if scope["type"] == "websocket" else "http.request"}

    run = RunCaller(session_id="s", session_number=1, run=1)
    asyncio.run(app({"headers": [], "query_string": b"", **scope, CALLER: run}, receive, send))
    return sent[0].get("status") or str(sent[0]["type"])


def application() -> FastAPI:
    """The application with routes of every kind that say nothing of runs, and one that does."""
    app = build_app(None, instance="")

    async def serve(*_: Any) -> PlainTextResponse:
        return PlainTextResponse("reached")

    @for_runs(Reach.HANDLER)
    async def declared() -> PlainTextResponse:
        return PlainTextResponse("reached")

    router = APIRouter()
    router.add_api_route("/included", lambda: "reached", methods=["GET"])
    router.add_api_route("/declared", declared, methods=["GET"])
    app.include_router(router)
    app.add_route("/plain", serve)
    app.add_api_route("/sessions/{session_id}/new", lambda: "reached", methods=["GET"])
    app.mount("/mounted", Starlette())

    @app.websocket("/socket")
    async def socket(websocket: Any) -> None:
        await websocket.accept()
        await websocket.close()

    return app


@each_row(
    "path", ["/included", "/plain", "/sessions/s/new", "/mounted/any", "/socket", "/none", "/added"]
)
def test_route_that_says_nothing_of_runs_is_refused(path: str) -> None:
    app = application()
    confined = Confined(app, app)
    app.add_api_route("/added", lambda: "reached", methods=["GET"])
    kind = "websocket" if path == "/socket" else "http"
    scope = {"type": kind, "path": path, "method": "GET"}
    expected = "websocket.close" if kind == "websocket" else 403
    assert asked(confined, scope) == expected
    reached = asked(confined, {"type": "http", "path": "/declared", "method": "GET"})
    assert reached == 200


class _Trusting(Confined):
    """What it would be without the rule: a route that says nothing lets everybody through."""

    def _find(self, scope: Any) -> tuple[Reach | None, dict[str, str]]:
        reach, parts = super()._find(scope)
        return reach or Reach.HANDLER, parts


@each_row("path", ["/included", "/plain", "/sessions/s/new"])
def test_without_the_rule_such_a_route_would_be_reached(path: str) -> None:
    app = application()
    scope = {"type": "http", "path": path, "method": "GET"}
    assert asked(_Trusting(app, app), scope) == 200


@each_row(
    ("token", "status", "lookups"),
    [("control", 200, 0), ("other", 401, 0), ("run-x", 503, 1), ("agent-x", 503, 1)],
)
def test_only_what_looks_like_the_token_of_a_run_is_looked_up(
    token: str, status: int, lookups: int
) -> None:
    """And a database that is away makes no token wrong."""
    looked_up: list[str] = []
    failures = Failures(monotonic=lambda: 0.0)

    async def find_caller(given: str) -> RunCaller | None:
        looked_up.append(given)
        raise StoreUnavailableError("the database is away")

    guard = Guard(
        PlainTextResponse("reached"),
        token="control",
        hosts=["here"],
        failures=failures,
        find_caller=find_caller,
    )
    headers = [(b"host", b"here"), (b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "path": "/sessions", "method": "GET", "headers": headers}
    for _ in range(MAX_FAILURES):
        assert asked(guard, scope) == status
    assert looked_up == [token] * lookups * MAX_FAILURES
    assert failures.add() is (status != 401)
