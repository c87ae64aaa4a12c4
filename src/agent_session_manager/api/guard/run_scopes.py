"""What a run may do with its token: each route says so itself, and what says nothing is refused.

The guard lets a run in as such; here it is held to what the route that it asks for has declared.
Everything outside its family (`store/run_tokens.py`) does not exist for a run where it reads, and
is refused without a look where it writes.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from re import Pattern
from typing import Any, TypeVar
from urllib.parse import parse_qs

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_session_manager.api.http.caller import CALLER, PAGE
from agent_session_manager.api.http.errors import Refusal, error_response, refusal_of
from agent_session_manager.domain.errors import (
    NotForPagesError,
    NotForRunsError,
    OrchestratorError,
    SessionNotFoundError,
)
from agent_session_manager.domain.run_token import RunCaller
from agent_session_manager.manager.manager import Manager

H = TypeVar("H", bound=Callable[..., Any])

_DECLARED = "_reach_of_runs"
_FOR_PAGES = "_for_pages"


class Reach(Enum):
    """What a run may do at a route."""

    OWN_SESSION = auto()
    """The session in the path has to be its own."""
    OWN_RUN = auto()
    """And the run in the path itself: an older one has nothing to do with a newer one's lease.

    For the supervisor alone, as is the next: no agent answers what is asked of its run.
    """
    OWN_TRANSCRIPT = auto()
    """The `session_id` in the query has to be its own."""
    FAMILY = auto()
    """The session in the path is its own or below it; any other does not exist."""
    HANDLER = auto()
    """The handler looks at who asks (`caller_of`) and keeps to the family."""


_OF_SUPERVISORS = (Reach.OWN_RUN, Reach.OWN_TRANSCRIPT)


def for_runs(reach: Reach) -> Callable[[H], H]:
    """Declare beside a route what a run may do there."""

    def declare(handler: H) -> H:
        setattr(handler, _DECLARED, reach)
        return handler

    return declare


def for_pages(handler: H) -> H:
    """Declare beside a route that the dashboard's page needs it."""
    setattr(handler, _FOR_PAGES, True)
    return handler


class Confined:
    """Passes on what a run or a page may do, and what everybody else asks for."""

    def __init__(self, app: ASGIApp, routes: FastAPI) -> None:
        """Stand in front of `app`, whose routes are those of `routes` as they are now."""
        self._app = app
        self._manager: Manager = routes.state.manager
        self._routes: list[tuple[Pattern[str], set[str] | None, Callable[..., Any] | None]] = [
            (route.path_regex, route.methods, route.endpoint)
            for route in iter_route_contexts(routes.routes)
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller: RunCaller | None = scope.get(CALLER)
        if caller is None and PAGE not in scope:
            return await self._app(scope, receive, send)
        refusal = await self._refusal(scope, caller)
        if refusal is None:
            return await self._app(scope, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        return await error_response(*refusal)(scope, receive, send)

    async def _refusal(self, scope: Scope, caller: RunCaller | None) -> Refusal | None:
        try:
            if caller is None:
                self._check_page(scope)
            else:
                await self._check(scope, caller)
        except OrchestratorError as exc:
            return refusal_of(exc)
        return None

    def _check_page(self, scope: Scope) -> None:
        endpoint, _ = self._match(scope)
        if not getattr(endpoint, _FOR_PAGES, False):
            raise NotForPagesError

    async def _check(self, scope: Scope, caller: RunCaller) -> None:
        reach, parts = self._find(scope)
        if caller.is_agent and reach in _OF_SUPERVISORS:
            raise NotForRunsError
        match reach:
            case Reach.HANDLER:
                is_allowed = True
            case Reach.OWN_SESSION:
                is_allowed = parts["session_id"] == caller.session_id
            case Reach.OWN_RUN:
                own = {"session_id": caller.session_id, "run": str(caller.run)}
                is_allowed = own.items() <= parts.items()
            case Reach.OWN_TRANSCRIPT:
                query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
                is_allowed = query.get("session_id") == [caller.session_id]
            case Reach.FAMILY:
                session_id = parts["session_id"]
                if not await self._manager.is_in_family(caller, session_id):
                    raise SessionNotFoundError(session_id)
                is_allowed = True
            case None:
                is_allowed = False
        if not is_allowed:
            raise NotForRunsError

    def _find(self, scope: Scope) -> tuple[Reach | None, dict[str, str]]:
        """What the route declares for runs, and the parts of its path."""
        endpoint, parts = self._match(scope)
        return getattr(endpoint, _DECLARED, None), parts

    def _match(self, scope: Scope) -> tuple[Callable[..., Any] | None, dict[str, str]]:
        """The handler that answers this request, and the parts of its path.

        The first that matches, as the framework takes it.
        """
        method = scope.get("method")
        for path, methods, endpoint in self._routes:
            found = path.match(scope["path"])
            if found is not None and (methods is None or method in methods):
                return endpoint, found.groupdict()
        return None, {}
