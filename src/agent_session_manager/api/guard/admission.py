"""Limits on concurrent requests: a request beyond them gets 503 at once and can be sent again.

Feeds and requests with a `wait` do not count, and `GET /health` is always answered. A request that
is answered with a stream counts until the stream begins. Every accepted request gets a response
within a time limit, even if its work has not finished.

One run, and all runs together, can use only a share of the limits. So an agent cannot lock out
other callers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_session_manager.api.http.caller import CALLER
from agent_session_manager.api.http.errors import RequestError, error_response
from agent_session_manager.domain.run_token import RunCaller

MAX_REQUESTS = 128
MAX_HELD_BYTES = 128 * 1024 * 1024
"""Total size of the bodies being read or stored. A parsed body takes several times its size."""
SHARE_OF_A_RUN = 0.25
"""Share of both limits that the requests with one run token can use."""
SHARE_OF_RUNS = 0.75
"""Share of both limits that the requests of all runs can use. The rest is for people."""
BEGUN_PER_TURN = 16
"""Requests started per event-loop turn: keeps turns short and rejections fast."""
ANSWER_SECONDS = 30.0
_LOOK_SECONDS = 1.0
_STREAM = b"text/event-stream"

Headers = list[tuple[bytes, bytes]]


class _Budget:
    """Limits on the number of requests and the bytes of their bodies, with the current use."""

    def __init__(self, max_requests: float, max_held_bytes: float) -> None:
        self._max_requests = max_requests
        self._max_held_bytes = max_held_bytes
        self.requests = 0
        self.held_bytes = 0

    @property
    def is_used_up(self) -> bool:
        return self.requests >= self._max_requests

    @contextmanager
    def one_request(self) -> Iterator[None]:
        """Count one more request until the block ends."""
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    def has_room_for(self, size: int) -> bool:
        return self.held_bytes + size <= self._max_held_bytes


class Admission:
    """Middleware that passes a request to `app`, or answers 503.

    The time that a caller takes to send a body does not count: its connection has a deadline.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_requests: int = MAX_REQUESTS,
        max_held_bytes: int = MAX_HELD_BYTES,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._app = app
        self._of_all = _Budget(max_requests, max_held_bytes)
        self._of_runs, self._of_a_run = (
            partial(_Budget, max_requests * share, max_held_bytes * share)
            for share in (SHARE_OF_RUNS, SHARE_OF_A_RUN)
        )
        self._of_callers: WeakValueDictionary[RunCaller | None, _Budget] = WeakValueDictionary()
        """Budgets of the runs with open requests; the key None is for all runs together."""
        self._answer_seconds = answer_seconds
        self._since: dict[asyncio.Task[Any], float | None] = {}
        """Start of the work on each request; None while the server waits for the caller."""
        self._expired: set[asyncio.Task[Any]] = set()
        self._begun = 0
        """Requests started in this turn of the loop."""
        self._watch: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_exempt(scope):
            return await self._app(scope, receive, send)
        budgets = self._budgets(scope.get(CALLER))
        if any(budget.is_used_up for budget in budgets):
            refusal = error_response(503, "overloaded", "too many requests are under way")
            return await refusal(scope, receive, send)
        with ExitStack() as counted:
            for budget in budgets:
                counted.enter_context(budget.one_request())

            async def send_counted(message: Message) -> None:
                if _begins_stream(message):
                    counted.close()
                await send(message)

            await self._serve(scope, receive, send_counted, budgets)

    def _budgets(self, caller: RunCaller | None) -> list[_Budget]:
        """Return the budgets for a request; a request of a run also needs the shares of runs."""
        if caller is None:
            return [self._of_all]
        of_runs = self._of_callers.setdefault(None, self._of_runs())
        return [self._of_all, of_runs, self._of_callers.setdefault(caller, self._of_a_run())]

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, budgets: list[_Budget]
    ) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        held = 0
        has_begun = False

        async def receive_counted() -> MutableMapping[str, Any]:
            nonlocal held
            self._since[task] = None
            message = await receive()
            self._since[task] = None if has_begun else loop.time()
            size = len(message.get("body", b""))
            if not all(budget.has_room_for(size) for budget in budgets):
                raise RequestError(503, "overloaded", "too many large bodies are under way")
            held += size
            for budget in budgets:
                budget.held_bytes += size
            return message

        async def send_begun(message: Message) -> None:
            nonlocal has_begun
            if not has_begun:
                has_begun = True
                self._since[task] = None
            await send(message)

        self._since[task] = loop.time()
        if self._watch is None:
            self._watch = loop.call_later(_LOOK_SECONDS, self._look)
        try:
            await self._take_turn()
            await self._app(scope, receive_counted, send_begun)
        except asyncio.CancelledError:
            if task not in self._expired or has_begun:
                raise
            task.uncancel()
            await _took_too_long(scope, receive, send)
        finally:
            del self._since[task]
            self._expired.discard(task)
            for budget in budgets:
                budget.held_bytes -= held

    async def _take_turn(self) -> None:
        """Wait until this turn of the loop has room for one more request."""
        while self._begun >= BEGUN_PER_TURN:  # noqa: ASYNC110  # waits for a turn
            await asyncio.sleep(0)
        if not self._begun:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._begun += 1

    def _next_turn(self) -> None:
        self._begun = 0

    def _look(self) -> None:
        """Cancel requests that take too long; runs each second while any request is open."""
        loop = asyncio.get_running_loop()
        latest = loop.time() - self._answer_seconds
        for task, since in self._since.items():
            if since is not None and since < latest and task not in self._expired:
                self._expired.add(task)
                task.cancel()
        self._watch = loop.call_later(_LOOK_SECONDS, self._look) if self._since else None


async def _took_too_long(scope: Scope, receive: Receive, send: Send) -> None:
    detail = "the request took too long; its change may still be made: send it again"
    await error_response(503, "timed_out", detail)(scope, receive, send)


def _begins_stream(message: Message) -> bool:
    return message["type"] == "http.response.start" and any(
        name == b"content-type" and value.startswith(_STREAM) for name, value in message["headers"]
    )


def _is_exempt(scope: Scope) -> bool:
    if scope["method"] not in ("GET", "HEAD"):
        return False
    if scope["path"] == "/health" or b"wait=" in scope["query_string"]:
        return True
    headers: Headers = scope["headers"]
    return any(name == b"accept" and _STREAM in value for name, value in headers)
