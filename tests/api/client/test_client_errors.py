"""Errors of the client: servers that answer wrongly or not at all, and values it cannot send.

Each error is a `SessionClientError`. The client detects invalid values before it sends a request.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import httpx
import pytest

from agent_orchestrator.session_client import (
    SessionClient,
    SessionClientError,
    SessionNotFoundError,
)
from tests.support.recording import Reply, json_reply, recording, refused_url, silent_server
from tests.support.rows import each_row

Call = Callable[[SessionClient, str], object]

CALLS: dict[str, Call] = {
    "create_session": lambda client, session_id: client.create_session(session_id, "name"),
    "get_session": lambda client, session_id: client.get_session(session_id),
    "get_session_by_name": lambda client, name: client.get_session_by_name(name),
    "get_status": lambda client, session_id: client.get_status(session_id),
    "get_result": lambda client, session_id: client.get_result(session_id),
    "list_sessions": lambda client, _: client.list_sessions(),
    "add_event": lambda client, session_id: client.add_event(session_id, {"event_type": "x"}),
    "update_session": lambda client, session_id: client.update_session(session_id, "name"),
    "delete_session": lambda client, session_id: client.delete_session(session_id),
}

IMPOSSIBLE_IDS = [
    "",
    ".",
    "..",
    "../health",
    "a/b",
    "a%2Fb",
    "%2e%2e",
    "é",
    "a\n",
    "\na",
    "a b",
    "a?x=1",
    "a#b",
    "-a",
    "a\0",
    "\udcff",
    "a" * 129,
    None,
    7,
]


def circular() -> dict[str, Any]:
    event: dict[str, Any] = {"event_type": "x"}
    event["self"] = event
    return event


def nested(depth: int) -> dict[str, Any]:
    value: Any = "core"
    for _ in range(depth):
        value = [value]
    return {"event_type": "x", "value": value}


UNSENDABLE: dict[str, Callable[[], dict[str, Any]]] = {
    "NaN": lambda: {"event_type": "x", "value": float("nan")},
    "Infinity": lambda: {"event_type": "x", "value": float("-inf")},
    "lone surrogate": lambda: {"event_type": "x", "value": "\ud800"},
    "lone surrogate in a key": lambda: {"event_type": "x", "\udfff": 1},
    "an object": lambda: {"event_type": "x", "value": object()},
    "bytes": lambda: {"event_type": "x", "value": b"x"},
    "a tuple as key": lambda: {"event_type": "x", ("a", "b"): 1},  # type: ignore[dict-item]  # wrong on purpose
    "itself": circular,
    "100,000 levels": lambda: nested(100_000),
}


@each_row("call", CALLS.values(), ids=CALLS)
def test_refused_connection_error_names_the_url(call: Call) -> None:
    with (
        refused_url() as url,
        SessionClient(url) as client,
        pytest.raises(SessionClientError, match=f"{url}/sessions") as caught,
    ):
        call(client, "some-id")
    assert (caught.value.status_code, caught.value.code) == (None, None)
    assert isinstance(caught.value.__cause__, httpx.ConnectError)


@each_row("call", CALLS.values(), ids=CALLS)
def test_silent_server_leads_to_a_timeout(call: Call) -> None:
    with (
        silent_server() as url,
        SessionClient(url, timeout=0.05) as client,
        pytest.raises(SessionClientError, match="timed out") as caught,
    ):
        call(client, "some-id")
    assert isinstance(caught.value.__cause__, httpx.TimeoutException)


@each_row("url", ["localhost:8765", "ftp://127.0.0.1", "http://[::1", "", "http://"])
def test_invalid_url_raises_client_error(url: str) -> None:
    with pytest.raises(SessionClientError):
        SessionClient(url).list_sessions()


@each_row("status", [400, 401, 403, 405, 409, 413, 415, 422, 500, 503])
def test_error_has_status_code_and_detail_of_the_response(status: int) -> None:
    said = json_reply({"detail": "the words", "code": "some_code"}, status)
    with (
        recording(said) as server,
        SessionClient(server.url) as client,
        pytest.raises(SessionClientError) as caught,
    ):
        client.get_session("some-id")
    assert (caught.value.status_code, caught.value.code) == (status, "some_code")
    assert str(caught.value) == f"GET {server.url}/sessions/some-id: {status} the words"
    assert not isinstance(caught.value, SessionNotFoundError)


@each_row("name", sorted(set(CALLS) - {"delete_session"}))
def test_404_with_any_body_is_not_found(name: str) -> None:
    html = Reply(status=404, body=b"<html>nothing here</html>", content_type="text/html")
    with (
        recording(html) as server,
        SessionClient(server.url) as client,
        pytest.raises(SessionNotFoundError) as caught,
    ):
        CALLS[name](client, "some-id")
    assert (caught.value.status_code, caught.value.code) == (404, None)


def test_delete_returns_false_on_404() -> None:
    with recording(Reply(status=404, body=b"")) as server, SessionClient(server.url) as client:
        assert client.delete_session("some-id") is False


@each_row(
    "reply",
    [
        Reply(status=502, body=b"<html>bad gateway</html>", content_type="text/html"),
        Reply(status=500, body=b"", content_type=None),
        Reply(status=400, body=b'"text"'),
        Reply(status=400, body=b'{"detail": [{"loc": ["body"]}], "code": 7}'),
        Reply(status=400, body=b"[" * 100_000),
        Reply(status=400, body=b"\xff\xfe\xfa"),
    ],
    ids=["html", "empty", "text", "other types", "deep", "not text"],
)
def test_error_response_of_another_shape_keeps_its_status(reply: Reply) -> None:
    with (
        recording(reply) as server,
        SessionClient(server.url) as client,
        pytest.raises(SessionClientError) as caught,
    ):
        client.get_session("some-id")
    assert (caught.value.status_code, caught.value.code) == (reply.status, None)


@each_row("call", CALLS.values(), ids=CALLS)
@each_row(
    "body",
    [b"<html></html>", b"", b"[]", b"null", b'"x"', b"{}", b'{"session":1,"sessions":1,"ok":1}'],
)
def test_success_response_of_another_shape_is_an_error(call: Call, body: bytes) -> None:
    with (
        recording(Reply(body=body)) as server,
        SessionClient(server.url) as client,
        pytest.raises(SessionClientError, match=server.url),
    ):
        call(client, "some-id")


def test_unknown_session_status_is_an_error() -> None:
    with (
        recording(json_reply({"status": "paused"})) as server,
        SessionClient(server.url) as client,
        pytest.raises(SessionClientError),
    ):
        client.get_status("some-id")


@each_row("status", [301, 302, 307, 308])
@each_row("call", CALLS.values(), ids=CALLS)
def test_redirect_is_an_error_and_is_not_followed(call: Call, status: int) -> None:
    with recording() as elsewhere:
        to = Reply(status=status, body=b"", headers={"Location": elsewhere.url})
        with (
            recording(to) as server,
            SessionClient(server.url) as client,
            pytest.raises(SessionClientError) as caught,
        ):
            call(client, "some-id")
    assert caught.value.status_code == status
    assert elsewhere.requests == []


@each_row("make_event", UNSENDABLE.values(), ids=UNSENDABLE)
def test_unserializable_event_is_an_error_and_is_not_sent(
    make_event: Callable[[], dict[str, Any]],
) -> None:
    with (
        recording() as server,
        SessionClient(server.url) as client,
        pytest.raises(SessionClientError, match="POST"),
    ):
        client.add_event("some-id", make_event())
    assert server.requests == []


def test_name_that_a_url_cannot_hold_is_an_error() -> None:
    with recording() as server, SessionClient(server.url) as client:
        for name in ("\ud800", 7):
            with pytest.raises(SessionClientError):
                client.get_session_by_name(name)  # type: ignore[arg-type]  # wrong on purpose
            with pytest.raises(SessionClientError):
                client.get_session_by_name("name", name)  # type: ignore[arg-type]  # the same
    assert server.requests == []


@each_row("session_id", IMPOSSIBLE_IDS, ids=repr)
def test_invalid_session_id_needs_no_request(session_id: Any) -> None:
    with recording() as server, SessionClient(server.url) as client:
        assert client.get_status(session_id) == "not_existent"
        assert client.delete_session(session_id) is False
        for name in ("get_session", "get_result", "add_event", "update_session"):
            with pytest.raises(SessionNotFoundError):
                CALLS[name](client, session_id)
    assert server.requests == []


@each_row("session_id", ["a", "A.b_c:d-e", "0" * 128])
def test_valid_session_id_reaches_its_route(session_id: str) -> None:
    reply = json_reply({"status": "running"})
    with recording(reply) as server, SessionClient(server.url + "/") as client:
        client.get_status(session_id)
    assert [received.target for received in server.requests] == [f"/sessions/{session_id}/status"]


def test_fifty_calls_use_one_connection() -> None:
    with (
        recording(json_reply({"status": "running"})) as server,
        SessionClient(server.url) as client,
    ):
        for _ in range(50):
            client.get_status("some-id")
    assert (len(server.requests), server.connections) == (50, 1)


@each_row("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@each_row("host", ["127.0.0.1", "localhost"])
def test_loopback_requests_bypass_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str, host: str
) -> None:
    reply = json_reply({"status": "running"})
    with recording(reply) as server, recording() as proxy:
        monkeypatch.setenv(variable, proxy.url)
        with SessionClient(f"http://{host}:{server.port}") as client:
            assert client.get_status("some-id") == "running"
    assert (len(server.requests), proxy.requests) == (1, [])


def loads_certificates(url: str) -> bool:
    """Return True if a new client of `url` reads the list of CA certificates, which is slow."""
    seen = set()

    def note(_frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call":
            seen.add(called.__name__)

    sys.setprofile(note)
    try:
        SessionClient(url).close()
    finally:
        sys.setprofile(None)
    return bool(seen & {"load_verify_locations", "set_default_verify_paths"})


def test_certificates_are_read_for_https_and_not_for_http() -> None:
    assert loads_certificates("https://127.0.0.1:8765")
    assert not loads_certificates("http://127.0.0.1:8765")
    assert not loads_certificates("http://example.invalid:8765")
