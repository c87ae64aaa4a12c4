"""How much is under way at once: beyond it a request is refused at once, and comes again later.

Whoever waits on purpose (a feed, a request with a `wait`) takes no part in it, and `GET /health` is
always answered. What is let in has an answer within a time, whatever became of it.

A run has a share of this, and so have all runs together: an agent cannot keep others out.
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
from agent_session_manager.domain.run_token import RunCaller

MAX_REQUESTS = 128
MAX_HELD_BYTES = 128 * 1024 * 1024
"""Of bodies that are being read or stored. Parsed they take several times as much."""
SHARE_OF_A_RUN = 0.25
"""Of both bounds: what the requests with one token of a run can take."""
SHARE_OF_RUNS = 0.75
"""Of both bounds: what the requests of all runs can take. The rest is for people."""
BEGUN_PER_TURN = 16
"""Of the loop. So no turn is long, and who is refused hears of it soon."""
ANSWER_SECONDS = 30.0
_LOOK_SECONDS = 1.0

Headers = list[tuple[bytes, bytes]]


class _Budget:
    """A bound on requests and on bytes of bodies, and what of it is in use."""

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


class Admission:
    """Lets a request through to `app`, or answers 503.

    The time that a caller takes to send a body does not count: its connection sees to that.
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
        """Of runs with requests under way; None: of all runs together."""
        self._answer_seconds = answer_seconds
        self._since: dict[asyncio.Task[Any], float | None] = {}
        """Since when each is worked on; None while it is its caller that is waited for."""
        self._expired: set[asyncio.Task[Any]] = set()
        self._begun = 0
        """In this turn of the loop."""
        self._watch: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_exempt(scope):
            return await self._app(scope, receive, send)
        budgets = self._budgets(scope.get(CALLER))
        if any(budget.is_used_up for budget in budgets):
            refusal = error_response(503, "overloaded", "too many requests are under way")
            return await refusal(scope, receive, send)
        for budget in budgets:
            budget.requests += 1
        try:
            await self._serve(scope, receive, send, budgets)
        finally:
            for budget in budgets:
                budget.requests -= 1

    def _budgets(self, caller: RunCaller | None) -> list[_Budget]:
        """What a request has to fit into: of one with the token of a run also the run's share."""
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
        """Wait while as many as may have begun in this turn."""
        while self._begun >= BEGUN_PER_TURN:  # noqa: ASYNC110  # a turn is what is waited for
            await asyncio.sleep(0)
        if not self._begun:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._begun += 1

    def _next_turn(self) -> None:
        self._begun = 0

    def _look(self) -> None:
        """Give up what has taken too long, each second while anything is under way."""
        loop = asyncio.get_running_loop()
        latest = loop.time() - self._answer_seconds
        for task, since in self._since.items():
            if since is not None and since < latest and task not in self._expired:
                self._expired.add(task)
                task.cancel()
        self._watch = loop.call_later(_LOOK_SECONDS, self._look) if self._since else None


async def _took_too_long(scope: Scope, receive: Receive, send: Send) -> None:
    detail = "it took too long; a change may still be made: send it again"
    await error_response(503, "timed_out", detail)(scope, receive, send)


def _is_exempt(scope: Scope) -> bool:
    if scope["method"] not in ("GET", "HEAD"):
        return False
    if scope["path"] == "/health" or b"wait=" in scope["query_string"]:
        return True
    headers: Headers = scope["headers"]
    return any(name == b"accept" and b"text/event-stream" in value for name, value in headers)
