"""The application: routes, errors, and the guard in front of them."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

import agent_session_manager
from agent_session_manager.api.earlier import routes as earlier_routes
from agent_session_manager.api.earlier import websocket as earlier_websocket
from agent_session_manager.api.fast_append import AppendsFirst
from agent_session_manager.api.guard.admission import Admission
from agent_session_manager.api.guard.guard import Guard
from agent_session_manager.api.guard.login_codes import Codes
from agent_session_manager.api.guard.page_tokens import PageTokens
from agent_session_manager.api.guard.redirect_pages import RedirectPages
from agent_session_manager.api.guard.run_scopes import Confined
from agent_session_manager.api.guard.throttle import Failures
from agent_session_manager.api.http.errors import install_error_handlers
from agent_session_manager.api.http.masker import Masker
from agent_session_manager.api.http.measured import Measured, RequestMetrics
from agent_session_manager.api.http.off_loop import Turns
from agent_session_manager.api.routes import (
    events,
    export,
    history,
    login,
    maintenance,
    mcp,
    outline,
    page,
    questions,
    runs,
    search,
    service,
    sessions,
    statistics,
    transcripts,
)
from agent_session_manager.api.tools.entry import ToolEntry
from agent_session_manager.api.wire.common import ErrorAnswer
from agent_session_manager.api.wire.events import NewEventBody
from agent_session_manager.machine.clock import Time
from agent_session_manager.manager.manager import Manager

_OPEN_ROUTES = {*service.OPEN_PATHS, login.TOKEN_PATH}
_HEADERS_OF_PAGES = ["Authorization", "Content-Type", "Last-Event-ID"]
_TAGS = {
    "sessions": "Create, list, change and delete sessions.",
    "runs": "Open runs, hold their leases, and make requests to them.",
    "questions": "Open questions of agents that wait for a person.",
    "events": "Append events to a session, and read them.",
    "transcripts": "Store the transcripts of agents, and read them.",
    "history": "Import the sessions that agents keep in files of their own.",
    "search": "Full-text search over the events of all sessions.",
    "mcp": "Tools for agents that lead other agents.",
    "statistics": "Sums and lists that the dashboard shows.",
    "dashboard": "Login of dashboard pages.",
    "maintenance": "Care of the database.",
    "service": "Identity, readiness and metrics of the manager.",
    "earlier clients": "Deprecated: for clients of the earlier system.",
}
"""Groups of routes in the OpenAPI document, in this order."""


def build_app(
    manager: Manager | None,
    *,
    instance: str,
    token: str = "",
    redirect_pages: RedirectPages | None = None,
    time: Time | None = None,
) -> FastAPI:
    """Build the application without its guard; without a manager it can only describe itself."""
    app = FastAPI(
        title="Agent Session Manager",
        summary="Keeps every session and every event, and serves them.",
        version=agent_session_manager.__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    passing = time or Time()
    app.state.manager = manager
    app.state.codes = Codes(monotonic=passing.monotonic)
    app.state.page_tokens = PageTokens(clock=passing.clock)
    app.state.redirect_pages = redirect_pages
    app.state.turns = Turns()
    app.state.tools = manager and ToolEntry(manager)
    app.state.masker = Masker(token)
    app.state.failures = Failures(monotonic=passing.monotonic)
    app.state.requests = RequestMetrics()
    app.state.instance = instance
    # Most used first: the framework searches the list from the top.
    for router in (
        events.appending,
        sessions.router,
        events.router,
        outline.router,
        runs.router,
        questions.router,
        transcripts.router,
        login.router,
        statistics.router,
        search.router,
        history.router,
        export.router,
        service.router,
        maintenance.router,
        mcp.router,
        earlier_routes.router,
        earlier_websocket.router,
    ):
        # Not with `include_router`, which would build each route a second time.
        app.router.routes.extend(router.routes)
    page.add_page(app)
    install_error_handlers(app)
    app.openapi = cache(lambda: _describe(app))  # type: ignore[method-assign]  # FastAPI's way
    return app


def guarded(
    app: FastAPI,
    *,
    token: str | None,
    hosts: list[str],
    origins: tuple[str, ...] = (),
    tls_hosts: list[str] | None = None,
) -> ASGIApp:
    """Return the application as it is served: every request passes the guard first.

    Without a token every program on this machine has access. Pages of `origins` are accepted as
    well. Runs have the access that the current routes declare. `tls_hosts` are names of ours that
    are served with TLS only.
    """
    served: ASGIApp = Confined(Admission(AppendsFirst(app, events.append_events)), app)
    if origins:
        served = CORSMiddleware(
            served, allow_origins=origins, allow_methods=["*"], allow_headers=_HEADERS_OF_PAGES
        )
    page_paths = app.state.page_paths
    open_paths = _OPEN_ROUTES | page_paths
    guard = Guard(
        served,
        token=token,
        hosts=hosts,
        tls_hosts=tls_hosts or (),
        failures=app.state.failures,
        origins=origins,
        open_paths=open_paths,
        page_paths=page_paths,
        find_caller=app.state.manager and app.state.manager.find_caller,
        page_tokens=app.state.page_tokens,
    )
    return Measured(guard, app.state.requests)


def _describe(app: FastAPI) -> dict[str, Any]:
    """Build the OpenAPI document, with the shapes that routes refer to by name."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
    )
    schemas = document["components"]["schemas"]
    for shape in (NewEventBody, ErrorAnswer):
        own = shape.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(own.pop("$defs", {}))
        schemas[shape.__name__] = own
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    _describe_token(document)
    return document


def _describe_token(document: dict[str, Any]) -> None:
    """Document which routes need the token; the guard has the same list."""
    scheme = {"type": "http", "scheme": "bearer", "description": "The manager's token"}
    document["components"]["securitySchemes"] = {"token": scheme}
    document["security"] = [{"token": []}]
    for path in _OPEN_ROUTES:
        for operation in document["paths"][path].values():
            operation["security"] = []


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document; needs no manager."""
    return build_app(None, instance="").openapi()
