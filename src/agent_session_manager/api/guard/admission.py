"""Limits on concurrent requests: a request beyond them gets 503 at once and can be sent again.

Feeds and requests with a `wait` do not count, and `GET /health` is always answered. A request that
is answered with a stream counts until the stream begins. Every accepted request gets a response
within a time limit, even if its work has not finished.

One run, and all runs together, can use only a share of the limits. So an agent cannot lock out
other callers.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_session_manager.api.http.caller import CALLER
from agent_session_manager.api.http.errors import RequestError, error_response
from agent_session_manager.domain.sessions.run_token import RunCaller

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

    def has_room_for(self, size: int) -> bool:
        return self.held_bytes + size <= self._max_held_bytes


class _Open:
    """An open request, which is counted in its budgets until it ends or its stream begins."""

    __slots__ = (
        "since", "is_expired", "has_begun", "_budgets", "_counted_in", "_held_bytes", "_loop",
        "_receive", "_send",
    )  # fmt: skip

    def __init__(
        self, budgets: list[_Budget], receive: Receive, send: Send, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.since: float | None = loop.time()
        """Start of the work on it; None while the server waits for the caller."""
        self.is_expired = False
        self.has_begun = False
        """True once the response has begun."""
        self._counted_in = [*budgets]
        self._budgets = budgets
        self._held_bytes = 0
        self._receive = receive
        self._send = send
        self._loop = loop
        for budget in budgets:
            budget.requests += 1

    async def receive(self) -> MutableMapping[str, Any]:
        self.since = None
        message = await self._receive()
        self.since = None if self.has_begun else self._loop.time()
        size = len(message.get("body", b""))
        for budget in self._budgets:
            if not budget.has_room_for(size):
                raise RequestError(503, "overloaded", "too many large bodies are under way")
        self._held_bytes += size
        for budget in self._budgets:
            budget.held_bytes += size
        return message

    async def send(self, message: Message) -> None:
        if not self.has_begun:
            self.has_begun = True
            self.since = None
            if _begins_stream(message):
                self._count_no_more()
        await self._send(message)

    def end(self) -> None:
        self._count_no_more()
        for budget in self._budgets:
            budget.held_bytes -= self._held_bytes

    def _count_no_more(self) -> None:
        while self._counted_in:
            self._counted_in.pop().requests -= 1


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
        self._open: dict[asyncio.Task[Any], _Open] = {}
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
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        opened = self._open[task] = _Open(budgets, receive, send, loop)
        if self._watch is None:
            self._watch = loop.call_later(_LOOK_SECONDS, self._look)
        try:
            await self._take_turn()
            await self._app(scope, opened.receive, opened.send)
        except asyncio.CancelledError:
            if not opened.is_expired or opened.has_begun:
                raise
            task.uncancel()
            await _took_too_long(scope, receive, send)
        finally:
            del self._open[task]
            opened.end()

    def _budgets(self, caller: RunCaller | None) -> list[_Budget]:
        """Return the budgets for a request; a request of a run also needs the shares of runs."""
        if caller is None:
            return [self._of_all]
        of_runs = self._of_callers.setdefault(None, self._of_runs())
        return [self._of_all, of_runs, self._of_callers.setdefault(caller, self._of_a_run())]

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
        for task, opened in self._open.items():
            if opened.since is not None and opened.since < latest and not opened.is_expired:
                opened.is_expired = True
                task.cancel()
        self._watch = loop.call_later(_LOOK_SECONDS, self._look) if self._open else None


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
