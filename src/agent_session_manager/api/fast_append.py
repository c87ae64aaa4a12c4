"""Serves appends, the most frequent requests, without FastAPI's routing.

FastAPI doubles the time of an append. The other routes use it for validation and documentation.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.routing import iter_route_contexts
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_session_manager.api.http.body import JsonRequest

_FAILURE = "agent_session_manager.failure"
"""Scope key of the exception of a handler."""

Handler = Callable[[Request, str], Awaitable[Response]]


class AppendsFirst:
    """Serves the append route directly, and passes all other requests to the application.

    The application's exception handlers are used. Its other middleware is not needed for an append.
    """

    _PATH = re.compile(r"/sessions/([^/]+)/events")

    def __init__(self, app: FastAPI, append: Handler) -> None:
        """`append` is the handler of the route in `app`."""
        self._app = app
        self._handler = append
        self._route = next(
            route for route in iter_route_contexts(app.routes) if route.endpoint is append
        )
        handlers = dict(app.exception_handlers)
        defect = handlers.pop(Exception)
        self._failing: ASGIApp = ServerErrorMiddleware(
            ExceptionMiddleware(_fail, handlers), handler=defect
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_append = scope.get("method") == "POST" and self._PATH.fullmatch(scope["path"])
        await (self._append if is_append else self._app)(scope, receive, send)

    async def _append(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self._app
        scope["route"] = self._route
        session_id = scope["path"].split("/")[2]
        try:
            response: ASGIApp = await self._handler(JsonRequest(scope, receive), session_id)
        except Exception as failure:
            # Only now through the framework's layers: they wrap each message of a response.
            scope[_FAILURE] = failure
            response = self._failing
        await response(scope, receive, send)


async def _fail(scope: Scope, _receive: Receive, _send: Send) -> None:
    failure: Exception = scope[_FAILURE]
    raise failure
