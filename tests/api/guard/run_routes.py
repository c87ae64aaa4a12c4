"""All routes, the sessions that the token of a run reaches through each, and a valid request."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from fastapi.routing import iter_route_contexts

from agent_session_manager.api.app import build_app
from agent_session_manager.api.routes.page import page_paths
from tests.api.guard.run_token import new
from tests.support.api import Answer, Api, raw_connection
from tests.support.manager import RunningManager
from tests.support.waiting import wait_for

Route = tuple[str, str]
OWN = {"own"}
FAMILY = {"own", "child", "grandchild"}
EVERY = {"parent", "own", "child", "grandchild", "stranger", "unknown"}
"""A route that names no session."""
BELOW = {"child", "grandchild"}
NOTHING: set[str] = set()
SESSION = "/sessions/{session_id}"
RUN = SESSION + "/runs/{run}"
REACHED: dict[Route, set[str]] = {
    ("POST", "/sessions"): FAMILY,  # as the parent of the new session
    ("GET", "/sessions"): FAMILY,
    ("GET", SESSION): FAMILY,
    ("GET", SESSION + "/status"): FAMILY,
    ("GET", SESSION + "/result"): FAMILY,
    ("GET", SESSION + "/events"): FAMILY,
    ("GET", SESSION + "/outline"): FAMILY,
    ("GET", SESSION + "/runs"): FAMILY,
    ("GET", SESSION + "/export"): FAMILY,
    ("POST", SESSION + "/events"): OWN,
    ("PUT", RUN + "/lease"): OWN,
    ("DELETE", RUN + "/lease"): OWN,
    ("DELETE", RUN + "/token"): OWN,
    ("GET", RUN + "/notices"): OWN,
    ("GET", RUN + "/requests"): OWN,
    ("GET", RUN + "/requests/{request_id}"): OWN | BELOW,
    ("PUT", RUN + "/requests/{request_id}"): OWN,
    ("POST", "/transcripts/entries"): OWN,
    ("GET", "/transcripts/entries"): OWN,
    ("GET", "/transcripts"): OWN,
    ("GET", "/transcripts/summaries"): OWN,
    ("PUT", "/transcripts/summaries"): OWN,
    ("PATCH", SESSION): NOTHING,
    ("DELETE", SESSION): NOTHING,
    ("POST", SESSION + "/runs"): BELOW,
    ("POST", SESSION + "/history"): NOTHING,
    ("POST", RUN + "/requests"): BELOW,
    ("DELETE", "/transcripts"): NOTHING,
    ("GET", "/search"): FAMILY,
    ("GET", "/questions"): FAMILY,
    ("POST", "/mcp"): NOTHING,  # `test_mcp_route.py` has its rights
    ("GET", "/usage"): NOTHING,
    ("GET", "/facets"): NOTHING,
    ("GET", "/metrics"): NOTHING,
    ("POST", "/dashboard/codes"): NOTHING,
    ("GET", "/dashboard/tokens"): NOTHING,
    ("DELETE", "/dashboard/tokens/own"): NOTHING,
    ("DELETE", "/dashboard/tokens/{token_id}"): NOTHING,
    ("POST", "/maintenance/vacuum"): NOTHING,
    ("GET", "/openapi.json"): NOTHING,
    ("HEAD", "/openapi.json"): NOTHING,
    ("POST", "/events"): NOTHING,
    ("GET", "/events/{session_id}"): NOTHING,
    ("PATCH", SESSION + "/metadata"): NOTHING,
    ("WebSocket", "/ws"): NOTHING,
}
OF_AGENTS = {
    route: FAMILY if reached is FAMILY else reached & BELOW for route, reached in REACHED.items()
} | {("POST", SESSION + "/events"): OWN, ("POST", "/mcp"): EVERY}
"""What the token of an agent reaches: less than that of its supervisor."""
OPEN = {"/health", "/ready", "/dashboard/token"}
READ = {route for route, who in REACHED.items() if who is FAMILY and route[0] == "GET"}
ROUTES = [
    (method, str(route.path))
    for route in iter_route_contexts(build_app(None, instance="").routes)
    for method in sorted(route.methods or ["WebSocket"])
    if route.path not in OPEN | page_paths()
]
BODIES: dict[Route, Any] = {
    ("POST", SESSION + "/events"): {"event_type": "x"},
    ("POST", SESSION + "/runs"): {"takeover": True},
    ("PUT", RUN + "/lease"): {"holder": "h"},
    ("PUT", RUN + "/requests/{request_id}"): {"state": "acknowledged"},
    ("POST", "/transcripts/entries"): [{"b": 1}],
    ("PUT", "/transcripts/summaries"): {"c": 1},
    ("PATCH", SESSION): {"session_name": "x"},
    ("POST", RUN + "/requests"): {"request_id": "s", "kind": "stop"},
    ("PATCH", SESSION + "/metadata"): {"session_name": "x"},
}


def ask(run: Api, manager: RunningManager, token: str, route: Route, session_id: str) -> Answer:
    """Send a valid request for this session to a route."""
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
    if path == "/questions":
        target += f"?session_id={session_id}"
    if path == "/search":
        target += f"?q={indexed_name(manager, session_id)}"
    body = BODIES.get(route, {})
    if route == ("POST", "/sessions"):
        body = new(uuid4().hex, parent_session_id=session_id)
    if route == ("POST", "/events"):
        body = {**new(session_id), "event_type": "session_start", "timestamp": "t"}
    if method in ("GET", "HEAD", "DELETE"):
        return run.call(method, target)
    return getattr(run, method.lower())(target, body)  # type: ignore[no-any-return]


def indexed_name(manager: RunningManager, session_id: str) -> str:
    """Wait until the name of a session is in the search index, and return it."""
    with Api(manager) as api:
        found = api.get(f"/sessions/{session_id}")
        if found.status != 200:
            return "unknown"
        name: str = found.json["session"]["session_name"]
        wait_for(
            lambda: api.get(f"/search?q={name}&session_id={session_id}").json["sessions"] or None,
            "the name is in the search index",
        )
        return name


def handshake(manager: RunningManager, target: str, token: str) -> Answer:
    request = (
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{manager.port}\r\n"
        f"Authorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with raw_connection(manager.port) as connection:
        return connection.ask(request.encode(), method="HEAD")
