"""Rights and lifetime of the token of a dashboard page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent_session_manager.api.wire.sessions import SessionChangesBody
from tests.api.guard.family import make_family
from tests.api.guard.run_routes import ROUTES, RUN, SESSION, ask
from tests.api.guard.run_token import with_token
from tests.store.promises.events import question
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.streams import streaming

NOT_FOR_PAGES = (403, "not_for_pages")
OF_PAGES = {
    ("GET", "/sessions"),
    ("GET", SESSION),
    ("PATCH", SESSION),
    ("DELETE", SESSION),
    ("GET", SESSION + "/result"),
    ("GET", SESSION + "/events"),
    ("GET", SESSION + "/outline"),
    ("GET", SESSION + "/runs"),
    ("GET", SESSION + "/export"),
    ("POST", RUN + "/requests"),
    ("GET", RUN + "/requests/{request_id}"),
    ("GET", "/search"),
    ("GET", "/questions"),
    ("GET", "/usage"),
    ("GET", "/facets"),
    ("DELETE", "/dashboard/tokens/own"),
}


NOT_TYPED: list[dict[str, Any]] = [
    {},
    {"text": " \n"},
    {"text": 1},
    {"text": "x" * 20_001},
    {"text": "x", "notice_batch": "n"},
]
"""Payloads of messages that no person can have typed into the page."""


def page_token(api: Api) -> str:
    code = api.post("/dashboard/codes", {}).json["code"]
    token = api.post("/dashboard/token", {"code": code}).json["token"]
    assert isinstance(token, str)
    return token


def test_page_token_opens_only_what_the_page_needs(manager: RunningManager, api: Api) -> None:
    """All routes are tried. A new route is closed to pages until the table lists it."""
    family = make_family(manager, api)
    token = page_token(api)
    assert token != manager.token
    with family.run, with_token(manager, token) as page:
        reached = set()
        for route in sorted(ROUTES, key=lambda route: (route[0] == "DELETE", "own" in route[1])):
            answer = ask(page, manager, token, route, family.own)
            if route[0] in ("HEAD", "WebSocket"):
                assert answer.status == 403, route
            elif answer.status != 403 or answer.refusal != NOT_FOR_PAGES:
                reached.add(route)
        assert reached == OF_PAGES


def test_page_token_can_change_only_name_archived_and_seen(
    manager: RunningManager, api: Api, session_id: str
) -> None:
    path = f"/sessions/{session_id}"
    with with_token(manager, page_token(api)) as page:
        for name in SessionChangesBody.model_fields:
            value = {"session_name": "renamed", "archived": True, "seen_run": 1}.get(name)
            answer = page.patch(path, {name: value})
            assert (answer.status == 200) == (value is not None), (name, answer.body)
            if value is None:
                assert answer.refusal in (NOT_FOR_PAGES, (422, "invalid_request")), name
        stop = {"request_id": "a", "kind": "stop"}
        message = {"request_id": "b", "kind": "message", "payload": {"text": "x"}}
        assert page.post(f"{path}/runs/1/requests", stop).status == 201
        assert page.post(f"{path}/runs/1/requests", message).status == 201
        for number, payload in enumerate(NOT_TYPED):
            wrong = {"request_id": f"w{number}", "kind": "message", "payload": payload}
            refused = page.post(f"{path}/runs/1/requests", wrong)
            assert refused.refusal == NOT_FOR_PAGES, payload
        assert page.get(f"{path}/runs/1/requests/b").json["request"]["state"] == "pending"
        api.post(f"{path}/events", question())
        yes = {"request_id": "q", "kind": "answer", "payload": {"choice": "yes"}}
        assert page.post(f"{path}/runs/1/requests", yes).status == 201


def test_page_token_is_invalid_after_a_restart(
    start_manager: Callable[..., RunningManager],
) -> None:
    own = start_manager()
    with Api(own) as api:
        token = page_token(api)
    kept = own.token
    own.restart()
    assert own.token == kept
    with with_token(own, token) as page:
        assert page.get("/sessions").refusal == (401, "page_token_unknown")
    files = b"".join(file.read_bytes() for file in own.directory.rglob("*") if file.is_file())
    assert token.encode() not in files


def test_revoked_page_token_ends_its_feeds(manager: RunningManager, api: Api) -> None:
    first, second = page_token(api), page_token(api)
    with with_token(manager, first) as page, with_token(manager, second) as other:
        ids = [each["token_id"] for each in api.get("/dashboard/tokens").json["tokens"]]
        with streaming(manager, "/sessions", page.headers) as feed:
            feed.until("ready")
            assert api.delete(f"/dashboard/tokens/{ids[-2]}").status == 200
            feed.rest()  # the feed ends
        assert page.get("/sessions").refusal == (401, "page_token_unknown")
        assert other.get("/sessions").status == 200
    gone = api.delete(f"/dashboard/tokens/{ids[-2]}")
    assert gone.refusal == (404, "page_token_not_found")
