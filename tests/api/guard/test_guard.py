"""Who is let in: one table of headers and what each value of them leads to, for every route."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fastapi.routing import iter_route_contexts

from agent_session_manager.api.app import build_app
from agent_session_manager.api.guard.guard import Guard
from agent_session_manager.api.guard.throttle import Failures
from agent_session_manager.api.routes.page import page_paths
from agent_session_manager.api.wire.limits import MAX_FAILURES
from agent_session_manager.transport.connection import MAX_HEAD_BYTES
from tests.support.api import Answer, Api, RawConnection, raw_connection
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

TOKEN = "the-token-of-32-characters-or-more"
PORT = 8765

Refusal = tuple[int, str]
NO_HOST: Refusal = (403, "host_not_allowed")
NO_ORIGIN: Refusal = (403, "origin_not_allowed")
NO_JSON: Refusal = (415, "json_only")
NO_TOKEN: Refusal = (401, "unauthorized")
TOO_MANY: Refusal = (429, "too_many_failures")
TWICE: Refusal = (400, "duplicate_header")

# In the order in which they are looked at: the first refusal is the answer. A value of None leaves
# the header out; PORT and TOKEN stand for those of the manager that is asked.
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
        "https://localhost:PORT": None,  # of a tunnel that ends TLS: no other page can have it
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
    """Each value with all others as they should be; `test_header_matrix` combines them."""
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
    return " ".join(unusual) or "all as it should be"


def request(
    manager: RunningManager,
    first_line: str,
    headers: Iterable[tuple[str, str | None]],
    body: str = "",
) -> bytes:
    def fill_in(text: str) -> str:
        return text.replace("TOKEN", manager.token).replace("PORT", str(manager.port))

    lines = [fill_in(first_line)]
    lines += [f"{name}: {fill_in(value)}" for name, value in headers if value is not None]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1")


def refusal_of(answer: Answer) -> Refusal:
    """Its refusal; of a token that was refused it does not matter how many were before it."""
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


UPGRADE = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]


@each_row(
    ("host", "origin", "authorization"),
    [
        ("127.0.0.1:PORT", "http://evil.test", "Bearer TOKEN"),
        ("evil.test", None, "Bearer TOKEN"),
        ("127.0.0.1:PORT", None, None),
        ("127.0.0.1:PORT", None, "Bearer TOKEN"),
    ],
)
def test_nobody_gets_a_websocket_where_there_is_none(
    manager: RunningManager, host: str, origin: str | None, authorization: str | None
) -> None:
    headers = [("Host", host), ("Origin", origin), ("Authorization", authorization), *UPGRADE]
    asked = request(manager, "GET /sessions/none HTTP/1.1", headers)
    with raw_connection(manager.port) as connection:
        assert connection.ask(asked).status == 403


SINGLE = [*ORDER, "Sec-Fetch-Mode", "Content-Encoding"]


@each_row("name", SINGLE)
@each_row("change", [str, str.upper, str.lower])
def test_header_that_comes_twice_is_refused(
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


@each_row(
    ("target", "host", "token", "status"),
    [
        ("http://127.0.0.1:PORT/sessions/none", "127.0.0.1:PORT", "Bearer TOKEN", 404),
        ("http://127.0.0.1:PORT/sessions/none", "127.0.0.1:PORT", None, 401),
        ("http://127.0.0.1:PORT/sessions/none", "evil.test", "Bearer TOKEN", 403),
        ("http://evil.test/sessions/none", "evil.test", "Bearer TOKEN", 403),
        ("http://evil.test/health", "127.0.0.1:PORT", None, 200),
        ("http://127.0.0.1:PORT/health@/sessions", "127.0.0.1:PORT", None, 401),
        ("/health/../sessions", "127.0.0.1:PORT", None, 401),
        ("/health/%2e%2e/sessions", "127.0.0.1:PORT", None, 401),
        ("/health/", "127.0.0.1:PORT", None, 401),
        ("//health", "127.0.0.1:PORT", None, 401),
        ("/HEALTH", "127.0.0.1:PORT", None, 401),
        ("/health;/sessions", "127.0.0.1:PORT", None, 401),
        ("/sessions?x=/health", "127.0.0.1:PORT", None, 401),
        ("/sessions?token=TOKEN", "127.0.0.1:PORT", None, 401),
        ("/health%00", "127.0.0.1:PORT", None, 401),
        ("/health?/sessions", "127.0.0.1:PORT", None, 200),
        ("/%68ealth", "127.0.0.1:PORT", None, 200),
    ],
)
def test_target_opens_no_way_around(
    manager: RunningManager, target: str, host: str, token: str | None, status: int
) -> None:
    headers = [("Host", host), ("Authorization", token)]
    asked = request(manager, f"GET {target} HTTP/1.1", headers)
    with raw_connection(manager.port) as connection:
        answer = connection.ask(asked)
        assert (401 if answer.status == 429 else answer.status) == status


OPEN = {"/health", "/dashboard/token"}


def test_every_route_but_the_open_ones_needs_the_token(api: Api, manager: RunningManager) -> None:
    """From the table by which requests are routed: a new route is covered by being there."""
    routes = [
        (method, str(route.path))
        for route in iter_route_contexts(build_app(None, instance="").routes)
        for method in route.methods or ["WebSocket"]
        if route.path not in OPEN | page_paths()
    ]
    assert len(routes) >= 30
    assert {("WebSocket", "/ws"), ("GET", "/openapi.json")} <= {*routes}
    for method, path in [*routes, ("GET", "/none")]:
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


def handshake(manager: RunningManager, target: str, authorization: str) -> Answer:
    headers = [("Host", "127.0.0.1:PORT"), ("Authorization", authorization), *UPGRADE]
    with raw_connection(manager.port) as connection:
        return connection.ask(request(manager, f"GET {target} HTTP/1.1", headers), method="HEAD")


def test_failed_logins_are_rate_limited_and_valid_ones_never(
    start_manager: Callable[..., RunningManager],
) -> None:
    own = start_manager()
    wrong = [("Host", "127.0.0.1:PORT"), ("Authorization", "Bearer wrong")]
    right = [("Host", "127.0.0.1:PORT"), ("Authorization", "Bearer TOKEN")]
    json = [*right, ("Content-Type", "application/json")]
    guesses = [
        request(own, "GET /sessions HTTP/1.1", wrong),
        request(own, "GET /sessions/none HTTP/1.1", wrong[:1]),
        request(own, "POST /dashboard/token HTTP/1.1", json, '{"code": "wrong"}'),
    ]
    connections = list(each_way(own.port))
    try:
        refused = [
            connection.ask(guess).refusal
            for _ in range(MAX_FAILURES)
            for connection in connections
            for guess in guesses
        ]
        assert {*refused[:MAX_FAILURES]} == {NO_TOKEN, (401, "code_not_valid")}
        assert {*refused[MAX_FAILURES:]} == {TOO_MANY}
        for connection in connections:
            assert connection.ask(request(own, "GET /sessions HTTP/1.1", right)).status == 200
            made = connection.ask(request(own, "POST /dashboard/codes HTTP/1.1", json, "{}"))
            code = made.json["code"]
            exchange = request(
                own, "POST /dashboard/token HTTP/1.1", json[::2], f'{{"code": "{code}"}}'
            )
            assert connection.ask(exchange).json["token"].startswith("page-")
            for guess in guesses:
                answer = connection.ask(guess)
                assert answer.refusal == TOO_MANY
                assert answer.headers["retry-after"] == "60"
                assert "www-authenticate" not in answer.headers
    finally:
        for connection in connections:
            connection.socket.close()


def each_way(port: int) -> Iterator[RawConnection]:
    """A connection over each address of loopback that there is; ::ffff:127.0.0.1 is IPv4."""
    ways = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
    for family, address in (*ways, (socket.AF_INET6, "::ffff:127.0.0.1")):
        opened = socket.socket(family, socket.SOCK_STREAM)
        opened.settimeout(WATCHDOG_SECONDS)
        try:
            opened.connect((address, port))
        except OSError:  # there is no IPv6
            opened.close()
        else:
            yield RawConnection(opened)


@each_row(("size", "status"), [(31 * 1024, 404), (33 * 1024, 431)])
def test_headers_are_limited_in_size(api: Api, size: int, status: int) -> None:
    for target in ("/sessions/none", "/health"):
        answer = api.call("GET", target, headers={"X-Large": "x" * size})
        assert answer.status == (200 if (target, status) == ("/health", 404) else status)


def test_compressed_body_is_refused(api: Api) -> None:
    for encoding in ("gzip", "br", "deflate", "x"):
        refused = api.call("POST", "/sessions", b"{}", {"Content-Encoding": encoding})
        assert refused.refusal == (415, "no_compression")


def test_no_answer_lets_another_origin_read_it(api: Api) -> None:
    answers = [
        api.call("GET", "/sessions", headers={"Origin": "http://evil.test"}),
        api.call("OPTIONS", "/sessions", headers={"Access-Control-Request-Method": "POST"}),
        api.get("/health"),
    ]
    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "set-cookie" not in answer.headers


OF_ALL = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
OF_DATA = {
    **OF_ALL,
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


def test_every_answer_is_kept_from_other_pages_and_only_the_dashboard_is_a_page(
    api: Api, manager: RunningManager, session_id: str
) -> None:
    path = f"/sessions/{session_id}"
    with raw_connection(manager.port) as following, raw_connection(manager.port) as broken:
        headers = [
            ("Host", "127.0.0.1:PORT"),
            ("Authorization", "Bearer TOKEN"),
            ("Accept", "text/event-stream"),
        ]
        # Only the head of it: its body does not end.
        feed = following.ask(
            request(manager, f"GET {path}/events HTTP/1.1", headers), method="HEAD"
        )
        assert feed.headers["content-type"].startswith("text/event-stream")
        answers = {
            "health": api.get("/health"),
            "list": api.get("/sessions"),
            "session": api.get(path),
            "description": api.get("/openapi.json"),
            "append": api.post(f"{path}/events", {"event_type": "x"}),
            "feed": feed,
            "no session": api.get("/sessions/none"),
            "no route": api.get("/none"),
            "no method": api.post("/health", {}),
            "no append": api.post(f"{path}/events", {}),
            "no field": api.post("/sessions", {}),
            "no token": api.call("GET", path, headers={"Authorization": ""}),
            "no host": api.call("GET", path, headers={"Host": "evil.test"}),
            "no host at a page": api.call("GET", "/", headers={"Host": "evil.test"}),
        }
        for name, answer in answers.items():
            assert {key: answer.headers.get(key) for key in OF_DATA} == OF_DATA, name
        for own in (api.get("/"), broken.ask(b"no request\r\n\r\n")):
            assert {key: own.headers.get(key) for key in OF_ALL} == OF_ALL
            assert own.headers.get("cache-control") != "no-store"


def test_name_of_a_tunnel_is_let_in_where_it_was_allowed(
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


def test_headers_that_never_end_are_not_read_for_long(manager: RunningManager) -> None:
    """As one line, which the parser would keep whole, and as ever more of them."""
    for part in (b"x" * 65536, b"X-More: " + b"y" * 1000 + b"\r\n"):
        with raw_connection(manager.port) as connection:
            connection.socket.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Large: ")
            sent = 0
            with contextlib.suppress(ConnectionError):  # it does not read on
                while sent < 64 * 1024 * 1024:
                    connection.socket.sendall(part)
                    sent += len(part)
            assert sent < 64 * 1024 * 1024


def test_headers_that_are_far_too_large_are_answered(manager: RunningManager) -> None:
    with raw_connection(manager.port) as connection:
        connection.socket.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Large: ")
        answer = connection.ask(b"x" * (MAX_HEAD_BYTES + 1))
        assert answer.refusal == (431, "headers_too_large")
        assert {key: answer.headers.get(key) for key in OF_ALL} == OF_ALL
