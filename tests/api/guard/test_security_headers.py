"""Security headers of every response, and requests that are too large or compressed."""

from __future__ import annotations

import contextlib

from agent_session_manager.transport.connection import MAX_HEAD_BYTES
from tests.api.guard.raw_request import request
from tests.support.api import Api, raw_connection
from tests.support.manager import RunningManager
from tests.support.rows import each_row


@each_row(("size", "status"), [(31 * 1024, 404), (33 * 1024, 431)])
def test_headers_over_the_size_limit_are_refused(api: Api, size: int, status: int) -> None:
    for target in ("/sessions/none", "/health"):
        answer = api.call("GET", target, headers={"X-Large": "x" * size})
        assert answer.status == (200 if (target, status) == ("/health", 404) else status)


def test_compressed_body_is_refused(api: Api) -> None:
    for encoding in ("gzip", "br", "deflate", "x"):
        refused = api.call("POST", "/sessions", b"{}", {"Content-Encoding": encoding})
        assert refused.refusal == (415, "no_compression")


def test_no_response_allows_another_origin_to_read(api: Api) -> None:
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


def test_every_response_has_security_headers(
    api: Api, manager: RunningManager, session_id: str
) -> None:
    path = f"/sessions/{session_id}"
    with raw_connection(manager.port) as following, raw_connection(manager.port) as broken:
        headers = [
            ("Host", "127.0.0.1:PORT"),
            ("Authorization", "Bearer TOKEN"),
            ("Accept", "text/event-stream"),
        ]
        # Only the head of the response: its body does not end.
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


def test_endless_headers_are_cut_off(manager: RunningManager) -> None:
    """The headers come as one endless line, which the parser would keep, and as endless lines."""
    for part in (b"x" * 65536, b"X-More: " + b"y" * 1000 + b"\r\n"):
        with raw_connection(manager.port) as connection:
            connection.socket.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Large: ")
            sent = 0
            with contextlib.suppress(ConnectionError):  # the manager stops reading
                while sent < 64 * 1024 * 1024:
                    connection.socket.sendall(part)
                    sent += len(part)
            assert sent < 64 * 1024 * 1024


def test_oversized_headers_get_a_431_response(manager: RunningManager) -> None:
    with raw_connection(manager.port) as connection:
        connection.socket.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Large: ")
        answer = connection.ask(b"x" * (MAX_HEAD_BYTES + 1))
        assert answer.refusal == (431, "headers_too_large")
        assert {key: answer.headers.get(key) for key in OF_ALL} == OF_ALL
