"""Limits of concurrent requests, with an application whose answers the test controls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from agent_session_manager.api.app import build_app, guarded
from agent_session_manager.api.guard.admission import BEGUN_PER_TURN, Admission
from agent_session_manager.api.http.caller import CALLER
from agent_session_manager.api.http.errors import install_error_handlers
from agent_session_manager.domain.sessions.run_token import RunCaller
from tests.support.loops import SteppedLoop, run, run_stepped
from tests.support.rows import each_row


class Gated:
    """An application that answers 200 with the size of the body, once the gate is open."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.under_way = 0
        self._changed = asyncio.Condition()
        self.app = FastAPI(openapi_url=None)
        install_error_handlers(self.app)
        self.app.add_route("/{path:path}", self._answer, methods=["GET", "POST"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        size = len(await request.body())
        await self._count(1)
        try:
            await self.gate.wait()
        finally:
            await self._count(-1)
        return Response(str(size))

    async def _count(self, change: int) -> None:
        async with self._changed:
            self.under_way += change
            self._changed.notify_all()

    async def reaches(self, count: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.under_way == count)


class Caller:
    """One request in a separate task, as in a server."""

    def __init__(
        self,
        app: Admission,
        target: str,
        body: bytes = b"",
        *,
        run: RunCaller | None = None,
        **headers: str,
    ) -> None:
        path, _, query = target.partition("?")
        self._body = body
        self._messages: list[Message] = []
        scope = {
            "type": "http", "method": "POST" if body else "GET", "path": path,
            "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "scheme": "http", "server": ("127.0.0.1", 1), "http_version": "1.1", CALLER: run,
        }  # fmt: skip
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def _send(self, message: Message) -> None:
        self._messages.append(message)

    async def status(self) -> int:
        await self.task
        return int(self._messages[0]["status"])

    async def refusal(self) -> tuple[int, str, bytes]:
        """Return the status, the error code and the Retry-After header."""
        status = await self.status()
        headers = dict(self._messages[0]["headers"])
        return status, orjson.loads(self._messages[1]["body"])["code"], headers[b"retry-after"]


def play(scenario: Callable[[Gated], Coroutine[Any, Any, None]]) -> None:
    async def with_its_own() -> None:
        await scenario(Gated())

    run(with_its_own())


def test_too_many_requests_are_refused_and_later_accepted() -> None:
    async def scenario(gated: Gated) -> None:
        app = Admission(gated, max_requests=2)
        first = [Caller(app, "/x"), Caller(app, "/x")]
        await gated.reaches(2)
        assert await Caller(app, "/x").refusal() == (503, "overloaded", b"1")
        gated.gate.set()
        assert [await caller.status() for caller in first] == [200, 200]
        assert await Caller(app, "/x").status() == 200

    play(scenario)


def test_few_requests_start_per_turn_and_all_in_order() -> None:
    begun: list[str] = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        begun.append(scope["path"])
        await Response()(scope, receive, send)

    async def scenario() -> None:
        paths = [f"/{number}" for number in range(3 * BEGUN_PER_TURN)]
        app = Admission(note)
        callers = [Caller(app, path) for path in paths]
        for turn in range(1, 4):
            await asyncio.sleep(0)
            assert begun == paths[: turn * BEGUN_PER_TURN]
        assert {await caller.status() for caller in callers} == {200}

    run(scenario())


@each_row(
    ("target", "accept"),
    [("/health", "*/*"), ("/x/requests?wait=25", "*/*"), ("/sessions", "text/event-stream")],
)
def test_polls_and_streams_do_not_count_toward_the_limit(target: str, accept: str) -> None:
    async def scenario(gated: Gated) -> None:
        app = Admission(gated, max_requests=1)
        waiting = [Caller(app, target, accept=accept) for _ in range(3)]
        await gated.reaches(3)
        one = Caller(app, "/x")
        await gated.reaches(4)
        waiting.append(Caller(app, target, accept=accept))
        await gated.reaches(5)
        gated.gate.set()
        assert {await caller.status() for caller in [one, *waiting]} == {200}

    play(scenario)


def test_total_size_of_bodies_is_limited() -> None:
    async def scenario(gated: Gated) -> None:
        app = Admission(gated, max_held_bytes=10)
        first = Caller(app, "/x", b"1234567")
        await gated.reaches(1)
        assert await Caller(app, "/x", b"1234").refusal() == (503, "overloaded", b"1")
        second = Caller(app, "/x", b"123")
        await gated.reaches(2)
        gated.gate.set()
        assert (await first.status(), await second.status()) == (200, 200)
        assert await Caller(app, "/x", b"1234567890").status() == 200

    play(scenario)


def agent_of(number: int) -> RunCaller:
    return RunCaller(session_id=f"s{number}", session_number=number, run=1, is_agent=True)


@each_row(
    ("bounds", "bodies"),
    [({"max_requests": 8}, [b""] * 2), ({"max_held_bytes": 80}, [b"x" * 8, b"x" * 12])],
    ids=["requests", "bytes"],
)
def test_each_run_has_a_share_and_a_share_is_left_for_users(
    bounds: dict[str, int], bodies: list[bytes]
) -> None:
    """Three runs use a quarter each. Then a fourth run is refused, and a user is accepted."""
    body = bodies[0]

    async def scenario(gated: Gated) -> None:
        app = Admission(gated, **bounds)
        accepted: list[Caller] = []
        for number in range(3):
            for each in bodies:
                accepted.append(Caller(app, "/x", each, run=agent_of(number)))
                await gated.reaches(len(accepted))
            more = Caller(app, "/x", body, run=agent_of(number))
            assert await more.refusal() == (503, "overloaded", b"1")
        fourth = Caller(app, "/x", body, run=agent_of(3))
        assert await fourth.refusal() == (503, "overloaded", b"1")
        accepted.append(Caller(app, "/x", body))
        await gated.reaches(len(accepted))
        gated.gate.set()
        assert {await caller.status() for caller in accepted} == {200}
        assert await Caller(app, "/x", body, run=agent_of(0)).status() == 200

    play(scenario)


def test_slow_request_times_out_with_503() -> None:
    async def scenario(loop: SteppedLoop) -> None:
        gated = Gated()
        app = Admission(gated, max_requests=1, answer_seconds=30)
        late = Caller(app, "/x")
        await gated.reaches(1)
        for _ in range(30):
            await loop.advance(1)
            assert not late.task.done()
        await loop.advance(1)
        assert await late.refusal() == (503, "timed_out", b"1")
        assert gated.under_way == 0
        gated.gate.set()
        assert await Caller(app, "/x").status() == 200

    run_stepped(scenario)


def test_without_admission_all_requests_are_accepted() -> None:
    """This shows that the refusals in the other tests come from the admission."""

    async def scenario(gated: Gated) -> None:
        callers = [Caller(gated, "/x") for _ in range(3)]  # type: ignore[arg-type]  # unbounded
        await gated.reaches(3)
        gated.gate.set()
        assert {await caller.status() for caller in callers} == {200}

    play(scenario)


def test_cancelled_request_frees_its_place() -> None:
    async def scenario(gated: Gated) -> None:
        app = Admission(gated, max_requests=1)
        caller = Caller(app, "/x")
        await gated.reaches(1)
        caller.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller.task
        gated.gate.set()
        assert await Caller(app, "/x").status() == 200

    play(scenario)


def test_application_is_served_with_admission() -> None:
    layer: Any = guarded(build_app(None, instance=""), token=None, hosts=[])
    while not isinstance(layer, Admission):
        layer = layer._app
