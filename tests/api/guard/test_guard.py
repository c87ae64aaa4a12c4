"""Authentication by headers: one table of header values and their results, for every route."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

from agent_session_manager.api.guard.guard import Guard
from agent_session_manager.api.guard.throttle import Failures
from tests.api.guard.raw_request import (
    NO_HOST,
    NO_JSON,
    NO_ORIGIN,
    NO_TOKEN,
    TOO_MANY,
    TWICE,
    UPGRADE,
    Refusal,
    handshake,
    request,
)
from tests.api.guard.run_routes import ROUTES
from tests.support.api import Answer, Api, raw_connection
from tests.support.manager import RunningManager
from tests.support.rows import each_row

TOKEN = "the-token-of-32-characters-or-more"
PORT = 8765

# The guard checks the headers in this order; the first refusal is the response. A value of None
# omits the header. The test replaces PORT and TOKEN with those of the manager.
RULES: dict[str, dict[str | None, Refusal | None]] = {
    "Host": {
        "127.0.0.1:PORT": None,
        "localhost:PORT": None,
        "[::1]:PORT": None,
        "LocalHost:PORT": None,
        None: NO_HOST,
        "": NO_HOST,
        "127.0.0.1": NO_HOST,
        "127.0.0.1:1": NO_HOST,
        "127.0.0.1:0PORT": NO_HOST,
        "127.0.0.1:PORT.evil.test": NO_HOST,
        "127.0.0.1:PORT@evil.test": NO_HOST,
        "user@127.0.0.1:PORT": NO_HOST,
        "127.1:PORT": NO_HOST,
        "127.0.0.2:PORT": NO_HOST,
        "0.0.0.0:PORT": NO_HOST,
        "localhost.:PORT": NO_HOST,
        "::1:PORT": NO_HOST,
        "[::ffff:127.0.0.1]:PORT": NO_HOST,
        "evil.test": NO_HOST,
        "evil.test:PORT": NO_HOST,
        "127.0.0.1:PORT, evil.test": NO_HOST,
    },
    "Origin": {
        None: None,
        "http://127.0.0.1:PORT": None,
        "http://localhost:PORT": None,
        "http://[::1]:PORT": None,
        "https://localhost:PORT": None,  # a tunnel that ends TLS; no other page can have it
        "": NO_ORIGIN,
        "null": NO_ORIGIN,
        "https://127.0.0.1:1": NO_ORIGIN,
        "http://127.0.0.1": NO_ORIGIN,
        "http://127.0.0.1:1": NO_ORIGIN,
        "http://127.0.0.1:PORT.evil.test": NO_ORIGIN,
        "http://127.0.0.1:PORT/": NO_ORIGIN,
        "http://evil.test": NO_ORIGIN,
        "http://evil.test:PORT": NO_ORIGIN,
        "file://": NO_ORIGIN,
    },
    "Sec-Fetch-Site": {
        None: None,
        "none": None,
        "same-origin": None,
        "same-site": NO_ORIGIN,
        "cross-site": NO_ORIGIN,
        "": NO_ORIGIN,
        "anything": NO_ORIGIN,
    },
    "Content-Type": {
        "application/json": None,
        "application/json; charset=utf-8": None,
        "Application/JSON ;charset=utf-8": None,
        None: NO_JSON,
        "": NO_JSON,
        "text/plain": NO_JSON,
        "text/plain;application/json": NO_JSON,
        "application/jsonp": NO_JSON,
        "application/json, text/plain": NO_JSON,
        "application/x-www-form-urlencoded": NO_JSON,
        "multipart/form-data; boundary=x": NO_JSON,
    },
    "Authorization": {
        "Bearer TOKEN": None,
        None: NO_TOKEN,
        "": NO_TOKEN,
        "TOKEN": NO_TOKEN,
        "Bearer": NO_TOKEN,
        "Bearer ": NO_TOKEN,
        "bearer TOKEN": NO_TOKEN,
        "Bearer  TOKEN": NO_TOKEN,
        "Bearer TOKENx": NO_TOKEN,
        "Bearer x": NO_TOKEN,
        "Basic TOKEN": NO_TOKEN,
        "Bearer \xe9": NO_TOKEN,
    },
}
ORDER = list(RULES)
Headers = dict[str, str | None]


def cases() -> Iterator[Headers]:
    """Yield each value with all others valid; `test_header_matrix` combines them."""
    usual: Headers = {name: next(iter(values)) for name, values in RULES.items()}
    yield usual
    for name, values in RULES.items():
        for value in list(values)[1:]:
            yield {**usual, name: value}


def expected(headers: Headers, *, has_body: bool) -> Refusal | None:
    looked_at = [name for name in ORDER if has_body or name != "Content-Type"]
    refusals = (RULES[name][headers[name]] for name in looked_at)
    return next((refusal for refusal in refusals if refusal is not None), None)


def changed_in(case: Headers) -> str:
    unusual = [f"{n}: {value}" for n, value in case.items() if value != next(iter(RULES[n]))]
    return " ".join(unusual) or "all valid"


def refusal_of(answer: Answer) -> Refusal:
    """Return the refusal of an answer; a rate-limited wrong token counts as a wrong token."""
    return NO_TOKEN if answer.refusal == TOO_MANY else answer.refusal


@each_row("headers", cases(), ids=changed_in)
def test_request_with_a_wrong_header_is_refused(manager: RunningManager, headers: Headers) -> None:
    path = "/sessions/none"
    items = headers.items()
    with raw_connection(manager.port) as connection:
        read = connection.ask(request(manager, f"GET {path} HTTP/1.1", items))
        assert refusal_of(read) == (expected(headers, has_body=False) or (404, "session_not_found"))
        append = f"POST {path}/events HTTP/1.1"
        written = connection.ask(request(manager, append, items, '{"event_type":"x"}'))
        assert refusal_of(written) == (
            expected(headers, has_body=True) or (404, "session_not_found")
        )
        if written.status == 401:
            assert written.headers["www-authenticate"] == "Bearer"
        health = connection.ask(request(manager, "GET /health HTTP/1.1", items))
        without_token = {**headers, "Authorization": "Bearer TOKEN"}
        assert health.status == (expected(without_token, has_body=False) or (200, ""))[0]


@each_row("headers", cases(), ids=changed_in)
def test_handshake_with_a_wrong_header_is_never_accepted(headers: Headers) -> None:
    let_in, sent = [], []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        let_in.append(scope["type"])

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    guard = Guard(
        app,
        token=TOKEN,
        hosts=[f"{h}:{PORT}" for h in ("127.0.0.1", "localhost", "[::1]")],
        failures=Failures(monotonic=time.monotonic),
    )
    scope = {
        "type": "websocket",
        "path": "/sessions",
        "headers": [
            (
                name.lower().encode(),
                value.replace("TOKEN", TOKEN).replace("PORT", str(PORT)).encode(),
            )
            for name, value in headers.items()
            if value is not None
        ],
    }
    asyncio.run(guard(scope, receive, send))
    if expected(headers, has_body=False) is None:
        assert (let_in, sent) == (["websocket"], [])
    else:
        assert (let_in, sent) == ([], [{"type": "websocket.close", "code": 1008}])


@each_row(
    ("host", "origin", "authorization"),
    [
        ("127.0.0.1:PORT", "http://evil.test", "Bearer TOKEN"),
        ("evil.test", None, "Bearer TOKEN"),
        ("127.0.0.1:PORT", None, None),
        ("127.0.0.1:PORT", None, "Bearer TOKEN"),
    ],
)
def test_websocket_handshake_on_a_plain_route_is_refused(
    manager: RunningManager, host: str, origin: str | None, authorization: str | None
) -> None:
    headers = [("Host", host), ("Origin", origin), ("Authorization", authorization), *UPGRADE]
    asked = request(manager, "GET /sessions/none HTTP/1.1", headers)
    with raw_connection(manager.port) as connection:
        assert connection.ask(asked).status == 403


SINGLE = [*ORDER, "Sec-Fetch-Mode", "Content-Encoding"]


@each_row("name", SINGLE)
@each_row("change", [str, str.upper, str.lower])
def test_repeated_header_is_refused(
    manager: RunningManager, name: str, change: Callable[[str], str]
) -> None:
    usual: list[tuple[str, str | None]] = [
        (each, next(v for v, refusal in values.items() if v and not refusal))
        for each, values in RULES.items()
    ]
    usual += [("Sec-Fetch-Mode", "cors"), ("Content-Encoding", "identity")]
    doubled = [*usual, (change(name), dict(usual)[name])]
    for line in ("GET /sessions/none HTTP/1.1", "GET /health HTTP/1.1"):
        asked = request(manager, line, doubled)
        with raw_connection(manager.port) as connection:
            assert connection.ask(asked).refusal == TWICE


def status_of(
    manager: RunningManager, target: str, host: str = "127.0.0.1:PORT", token: str | None = None
) -> int:
    """Return the status of a GET request; a rate-limited wrong token counts as a wrong token."""
    headers = [("Host", host), ("Authorization", token)]
    with raw_connection(manager.port) as connection:
        answer = connection.ask(request(manager, f"GET {target} HTTP/1.1", headers))
    return 401 if answer.status == 429 else answer.status


@each_row(
    ("target", "host", "token", "status"),
    [
        ("http://127.0.0.1:PORT/sessions/none", "127.0.0.1:PORT", "Bearer TOKEN", 404),
        ("http://127.0.0.1:PORT/sessions/none", "127.0.0.1:PORT", None, 401),
        ("http://127.0.0.1:PORT/sessions/none", "evil.test", "Bearer TOKEN", 403),
        ("http://evil.test/sessions/none", "evil.test", "Bearer TOKEN", 403),
    ],
)
def test_absolute_target_needs_a_valid_host_and_the_token(
    manager: RunningManager, target: str, host: str, token: str | None, status: int
) -> None:
    assert status_of(manager, target, host, token) == status


@each_row(
    "target",
    [
        "http://127.0.0.1:PORT/health@/sessions", "/health/../sessions", "/health/%2e%2e/sessions",
        "/health/", "//health", "/HEALTH", "/health;/sessions", "/sessions?x=/health",
        "/sessions?token=TOKEN", "/health%00",
    ],
)  # fmt: skip
def test_unusual_target_does_not_bypass_the_guard(manager: RunningManager, target: str) -> None:
    assert status_of(manager, target) == 401


@each_row("target", ["http://evil.test/health", "/health?/sessions", "/%68ealth"])
def test_unusual_target_of_an_open_route_needs_no_token(
    manager: RunningManager, target: str
) -> None:
    assert status_of(manager, target) == 200


def test_every_route_except_the_open_ones_needs_the_token(
    api: Api, manager: RunningManager
) -> None:
    """The routes come from the router's own table, so new routes are included."""
    assert len(ROUTES) >= 30
    assert {("WebSocket", "/ws"), ("GET", "/openapi.json")} <= {*ROUTES}
    for method, path in [*ROUTES, ("GET", "/none")]:
        target = path.replace("{session_id}", "none")
        for wrong in ("Bearer wrong", ""):
            if method == "WebSocket":
                assert handshake(manager, target, wrong).status == 403
                assert handshake(manager, target, "Bearer TOKEN").status == 101
                continue
            body = None if method in ("GET", "HEAD", "DELETE") else b"{}"
            answer = api.call(method, target, body, {"Authorization": wrong})
            if method == "HEAD":
                assert answer.status in (401, 429), path
            else:
                assert refusal_of(answer) == NO_TOKEN, (method, path)


def test_host_name_of_a_tunnel_is_accepted_if_allowed(
    start_manager: Callable[..., RunningManager],
) -> None:
    own = start_manager(arguments=["--allow-host", "tunnel.test:80", "--allow-host", "other.test"])
    statuses = {}
    for host in ("tunnel.test:80", "TUNNEL.test:80", "other.test", "tunnel.test", "evil.test"):
        with raw_connection(own.port) as connection:
            asked = request(own, "GET /health HTTP/1.1", [("Host", host)])
            statuses[host] = connection.ask(asked).status
    assert statuses == {
        "tunnel.test:80": 200,
        "TUNNEL.test:80": 200,
        "other.test": 200,
        "tunnel.test": 403,
        "evil.test": 403,
    }
