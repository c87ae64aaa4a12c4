"""Rights of the token of a run: one table of all routes, and sessions outside its family."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from tests.api.guard.family import Family, make_family, open_next
from tests.api.guard.run_routes import (
    FAMILY,
    OF_AGENTS,
    REACHED,
    READ,
    ROUTES,
    Route,
    ask,
)
from tests.api.guard.run_token import NOT_FOR_RUNS, NOT_THERE, leased, new, token_of, with_token
from tests.support.api import Answer, Api
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.streams import Stream, streaming


def is_reached(route: Route, answer: Answer, session_id: str) -> bool:
    """Return True if the request succeeded; check that every refusal is the same."""
    method, path = route
    if route in (("GET", "/sessions"), ("GET", "/search")):
        return session_id in {found["session_id"] for found in answer.json["sessions"]}
    if path == "/questions":
        return session_id in {found["session_id"] for found in answer.json["questions"]}
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


def test_table_has_every_route() -> None:
    assert sorted(ROUTES) == sorted(REACHED)


@each_row("route", ROUTES, ids=" ".join)
def test_run_token_reaches_the_sessions_of_the_table(
    manager: RunningManager, api: Api, family: Family, route: Route
) -> None:
    with undisturbed(family, route, REACHED[route], manager, api) as used:
        assert reached_by(manager, used, used.token, route) == REACHED[route]


@each_row("route", ROUTES, ids=" ".join)
def test_agent_token_appends_creates_reads_and_leads_those_below(
    manager: RunningManager, api: Api, family: Family, route: Route
) -> None:
    with undisturbed(family, route, OF_AGENTS[route], manager, api) as used:
        assert reached_by(manager, used, used.agent_token, route) == OF_AGENTS[route]


@each_row("kind", ["stop", "message"])
def test_agent_may_not_order_itself_or_upwards(
    manager: RunningManager, family: Family, kind: str
) -> None:
    with with_token(manager, family.agent_token) as agent:
        for name in ("own", "parent", "stranger", "unknown"):
            path = f"/sessions/{family.ids[name]}/runs"
            order = {"request_id": str(uuid4()), "kind": kind, "payload": {"text": "x"}}
            assert agent.post(f"{path}/1/requests", order).refusal == NOT_FOR_RUNS
            assert agent.post(path, {"takeover": True}).refusal == NOT_FOR_RUNS
            assert agent.get(f"{path}/1/requests/r").refusal == NOT_FOR_RUNS
        order = {"request_id": str(uuid4()), "kind": kind, "payload": {"text": "x"}}
        made = agent.post(f"/sessions/{family.ids['grandchild']}/runs/1/requests", order)
        assert made.status == 201
        said = agent.get(
            f"/sessions/{family.ids['grandchild']}/runs/1/requests/{order['request_id']}"
        )
        assert said.json["request"]["state"] == "pending"


@contextmanager
def undisturbed(
    shared: Family, route: Route, reached: set[str], manager: RunningManager, api: Api
) -> Iterator[Family]:
    """Yield a new family if the request can change a session, and the shared one if not."""
    if route[0] in ("GET", "HEAD", "WebSocket") or not reached:
        yield shared
        return
    made = make_family(manager, api)
    with made.run:
        yield made


def reached_by(manager: RunningManager, family: Family, token: str, route: Route) -> set[str]:
    """Return the sessions that this token reaches through a route."""
    family.run.headers["Authorization"] = f"Bearer {token}"
    # Its own session comes last: the request may revoke the token.
    order = sorted(family.ids, key=lambda name: name == "own")
    return {
        name
        for name in order
        if is_reached(
            route, ask(family.run, manager, token, route, family.ids[name]), family.ids[name]
        )
    }


def test_ids_similar_to_its_own_are_refused(family: Family, api: Api) -> None:
    own = family.own
    for like in (own.upper(), own + ".", own[:-1], own + "%0A", own + "%00", f"./{own}"):
        assert family.run.post(f"/sessions/{like}/events", {"event_type": "x"}).status == 403
        assert family.run.get(f"/sessions/{like}").status in (403, 404)
    assert api.post("/sessions", new(own.upper())).status == 201
    assert family.run.get(f"/sessions/{own.upper()}").refusal == NOT_THERE
    both = f"session_id={family.ids['stranger']}&session_id={own}"
    for query in (both, f"session_id={own}&session_id={family.ids['stranger']}", "", "session_id="):
        assert family.run.get(f"/transcripts?project_key=p&{query}").refusal == NOT_FOR_RUNS


def test_run_number_in_the_path_must_be_its_own(
    manager: RunningManager, family: Family, api: Api
) -> None:
    """This holds for other spellings of its number, and after a newer run was opened."""
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


def test_new_session_with_a_missing_parents_id_adopts_no_child(family: Family, api: Api) -> None:
    missing = uuid4().hex
    orphan = uuid4().hex
    assert api.post("/sessions", new(orphan, parent_session_id=missing)).status == 201
    assert family.run.post("/sessions", new(missing)).refusal == NOT_FOR_RUNS
    assert api.post("/sessions", new(missing, parent_session_id=family.own)).status == 201
    assert family.run.get(f"/sessions/{missing}").status == 200
    assert family.run.get(f"/sessions/{orphan}").refusal == NOT_THERE


def test_sessions_of_runs_are_at_most_five_levels_deep(manager: RunningManager, api: Api) -> None:
    top = str(uuid4())
    token = token_of(api.post("/sessions", leased(top)))
    for _ in range(5):
        with with_token(manager, token) as run:
            token = token_of(run.post("/sessions", leased(str(uuid4()))))
    with with_token(manager, token) as run:
        assert run.post("/sessions", leased(str(uuid4()))).refusal == (409, "too_many_levels")
        person = new(
            str(uuid4()), parent_session_id=run.get("/sessions").json["sessions"][0]["session_id"]
        )
    assert api.post("/sessions", person).status == 201


def test_token_of_a_child_reaches_only_the_child(manager: RunningManager, family: Family) -> None:
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


def test_refusal_does_not_reveal_sessions_outside_the_family(family: Family, api: Api) -> None:
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


def test_names_and_prefixes_are_searched_only_in_the_family(family: Family) -> None:
    for name in ("own", "child", "grandchild", "parent", "stranger"):
        session_id = family.ids[name]
        for query in (f"session_name={session_id}", f"id_prefix={session_id[:-1]}&limit=5"):
            found = family.run.get(f"/sessions?{query}").json["sessions"]
            assert [s["session_id"] for s in found] == ([session_id] if name in FAMILY else [])


def next_change(stream: Stream) -> tuple[str, str]:
    while (frame := stream.next()).name == "ping":
        pass
    session = frame.data.get("session", frame.data)
    return frame.name, session["session_id"]


def test_feed_of_all_sessions_sends_a_run_only_its_family(
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
        above = {("session_updated", family.ids[name]) for name in FAMILY}  # without the parent
        assert {next_change(stream) for _ in range(4)} == {("session_created", late), *above}
        api.delete(f"/sessions/{late}")
        assert {next_change(stream) for _ in range(4)} == {("session_deleted", late), *above}
        api.delete(f"/sessions/{family.own}?force=true")
        assert stream.until("bye")[-1].name == "bye"


def test_run_must_list_again_after_any_deletion(family: Family, api: Api) -> None:
    """The server no longer knows which run the deleted session belonged to."""
    cursor = family.run.get("/sessions?limit=1").json["cursor"]
    api.patch(f"/sessions/{family.ids['child']}", {"session_name": "told"})
    family.run.headers["Accept"] = "text/event-stream"
    api.delete(f"/sessions/{family.ids['stranger']}?force=true")
    refused = family.run.get(f"/sessions?cursor={cursor}")
    assert (refused.status, refused.json["code"]) == (410, "cursor_unknown")
