"""Measures the requests to the manager: their number, and the time until their answer begins."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from functools import partial

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_session_manager.machine.histogram import SECONDS, Histogram

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMetrics:
    """Figures of all requests since the start, by the path of their route.

    A request that reaches no route, such as one without a token, has an empty path. So callers
    cannot make up labels.
    """

    def __init__(self) -> None:
        self.answered: Counter[tuple[str, str, int]] = Counter()
        """Number of requests by method, route and status."""
        self.seconds: defaultdict[str, Histogram] = defaultdict(partial(Histogram, SECONDS))
        """Times until the answer begins, by route."""
        self.open = 0
        """Number of requests that are not answered whole, streams included."""

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "")
        self.answered[method, route, status] += 1
        self.seconds[route].observe(seconds)


class Measured:
    """Middleware that passes each request to `app`, and notes its answer."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        loop = asyncio.get_running_loop()
        begin = loop.time()

        async def send_measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.note(scope, message["status"], loop.time() - begin)
            await send(message)

        self._metrics.open += 1
        try:
            await self._app(scope, receive, send_measured)
        finally:
            self._metrics.open -= 1
