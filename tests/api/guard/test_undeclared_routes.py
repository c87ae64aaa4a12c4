"""The guard inside this process: routes that are not declared for runs, and tokens it looks up."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

from agent_session_manager.api.app import build_app
from agent_session_manager.api.guard.guard import Guard
from agent_session_manager.api.guard.run_scopes import Confined, Reach, for_runs
from agent_session_manager.api.guard.throttle import Failures
from agent_session_manager.api.http.caller import CALLER
from agent_session_manager.api.wire.limits import MAX_FAILURES
from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.domain.sessions.run_token import RunCaller
from tests.support.rows import each_row


def asked(app: Any, scope: dict[str, Any]) -> str | int:
    """Return the response to a run: a status code, or the type of a WebSocket message."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect" if scope["type"] == "websocket" else "http.request"}

    run = RunCaller(session_id="s", session_number=1, run=1)
    asyncio.run(app({"headers": [], "query_string": b"", **scope, CALLER: run}, receive, send))
    return sent[0].get("status") or str(sent[0]["type"])


def application() -> FastAPI:
    """Build the application with undeclared routes of every kind and one declared for runs."""
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
def test_route_that_is_not_declared_for_runs_is_refused(path: str) -> None:
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
    """The guard without the rule: it accepts runs on a route that is not declared for them."""

    def _find(self, scope: Any) -> tuple[tuple[Reach, ...], dict[str, str]]:
        reaches, parts = super()._find(scope)
        return reaches or (Reach.HANDLER,), parts


@each_row("path", ["/included", "/plain", "/sessions/s/new"])
def test_without_the_rule_an_undeclared_route_is_reached(path: str) -> None:
    app = application()
    scope = {"type": "http", "path": path, "method": "GET"}
    assert asked(_Trusting(app, app), scope) == 200


@each_row(
    ("token", "status", "lookups"),
    [("control", 200, 0), ("other", 401, 0), ("run-x", 503, 1), ("agent-x", 503, 1)],
)
def test_only_tokens_with_a_run_or_agent_prefix_are_looked_up(
    token: str, status: int, lookups: int
) -> None:
    """An unavailable database does not count as a wrong token."""
    looked_up: list[str] = []
    failures = Failures(monotonic=lambda: 0.0)

    async def find_caller(given: str) -> RunCaller | None:
        looked_up.append(given)
        raise StoreUnavailableError("the database is unavailable")

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
