"""Permissions of runs: each route declares what a run may do; without a declaration it may not.

The guard authenticates a run. This module checks its request against the declaration of the route.
A run that reads outside its family (`store/run_tokens.py`) gets 404. A run that writes where it may
not gets 403, for any id.
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
from agent_session_manager.domain.sessions.run_token import RunCaller
from agent_session_manager.manager.manager import Manager

H = TypeVar("H", bound=Callable[..., Any])

_DECLARED = "_reach_of_runs"
_FOR_PAGES = "_for_pages"


class Reach(Enum):
    """The access of a run to a route."""

    OWN_SESSION = auto()
    """The session in the path must be the run's own."""
    OWN_RUN = auto()
    """The run in the path must be the caller: an older run must not touch a newer run's lease.

    Only supervisors have this access, as with `OWN_TRANSCRIPT`: an agent must not settle requests
    to its run.
    """
    OWN_TRANSCRIPT = auto()
    """The `session_id` in the query must be the run's own."""
    FAMILY = auto()
    """The session in the path must be the run's own or below it; any other one gets 404."""
    DESCENDANTS = auto()
    """The session in the path must be below the run's own: a run never changes itself or upwards.

    It may message, stop and resume the sessions below it.
    """
    HANDLER = auto()
    """The handler checks the caller (`caller_of`) and restricts itself to the family."""


_OF_SUPERVISORS = (Reach.OWN_RUN, Reach.OWN_TRANSCRIPT)


def for_runs(*reaches: Reach) -> Callable[[H], H]:
    """Declare the access of runs to a route: any of these."""

    def declare(handler: H) -> H:
        setattr(handler, _DECLARED, reaches)
        return handler

    return declare


def for_pages(handler: H) -> H:
    """Declare that the dashboard's page needs a route."""
    setattr(handler, _FOR_PAGES, True)
    return handler


class Confined:
    """Middleware that refuses requests which a run or a page may not make."""

    def __init__(self, app: ASGIApp, routes: FastAPI) -> None:
        """Check requests to `app` against the routes that `routes` has now."""
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
        reaches, parts = self._find(scope)
        if not reaches and self._has_other_method(scope):
            return
        for reach in reaches:
            if not (caller.is_agent and reach in _OF_SUPERVISORS):
                if await self._is_reached(reach, parts, scope, caller):
                    return
                if reach is Reach.FAMILY:
                    raise SessionNotFoundError(parts["session_id"])
        raise NotForRunsError

    async def _is_reached(
        self, reach: Reach, parts: dict[str, str], scope: Scope, caller: RunCaller
    ) -> bool:
        match reach:
            case Reach.HANDLER:
                return True
            case Reach.OWN_SESSION:
                return parts["session_id"] == caller.session_id
            case Reach.OWN_RUN:
                own = {"session_id": caller.session_id, "run": str(caller.run)}
                return own.items() <= parts.items()
            case Reach.OWN_TRANSCRIPT:
                query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
                return query.get("session_id") == [caller.session_id]
            case Reach.FAMILY:
                return await self._manager.is_in_family(caller, parts["session_id"])
            case Reach.DESCENDANTS:
                return await self._manager.is_below(caller, parts["session_id"])

    def _has_other_method(self, scope: Scope) -> bool:
        """Return whether only the method is wrong: the framework then names those of the path."""
        found = [
            (methods, endpoint)
            for path, methods, endpoint in self._routes
            if path.match(scope["path"])
        ]
        is_known = any(methods and scope.get("method") in methods for methods, _ in found)
        return not is_known and any(hasattr(endpoint, _DECLARED) for _, endpoint in found)

    def _find(self, scope: Scope) -> tuple[tuple[Reach, ...], dict[str, str]]:
        """Return the access of runs to the matching route, and the parts of its path."""
        endpoint, parts = self._match(scope)
        return getattr(endpoint, _DECLARED, ()), parts

    def _match(self, scope: Scope) -> tuple[Callable[..., Any] | None, dict[str, str]]:
        """Return the handler of a request and the parts of its path.

        The first matching route wins, as in the framework.
        """
        method = scope.get("method")
        for path, methods, endpoint in self._routes:
            found = path.match(scope["path"])
            if found is not None and (methods is None or method in methods):
                return endpoint, found.groupdict()
        return None, {}
