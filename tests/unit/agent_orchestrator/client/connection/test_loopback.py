"""The client of short commands: the same requests, answers and errors as with httpx."""

from __future__ import annotations

import select
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from agent_orchestrator.client.connection.connect import client_of
from agent_orchestrator.client.connection.loopback import LoopbackClient, loopback_url
from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.session_client import SessionClientError
from tests.support.output import output_of
from tests.support.recording import json_reply, recording, refused_url, silent_server
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

BOTH = [ManagerClient, LoopbackClient]


@each_row(
    ("url", "is_plain"),
    [
        ("http://127.0.0.1:8765", True),
        ("http://localhost:1", True),
        ("http://[::1]:65535", True),
        ("http://127.0.0.1:65536", False),
        ("http://127.0.0.1:0", False),
        ("http://127.0.0.1:08765", False),
        ("http://127.0.0.1:\u0661", False),
        ("http://127.0.0.1", False),
        ("http://127.0.0.1:8765/", False),
        ("http://127.0.0.1:8765/base", False),
        ("http://127.0.0.2:8765", False),
        ("http://user@127.0.0.1:8765", False),
        ("https://127.0.0.1:8765", False),
        ("http://127.0.0.1.evil.test:8765", False),
        ("", False),
    ],
)
def test_only_plain_urls_of_this_machine_are_taken(url: str, is_plain: bool) -> None:
    found = loopback_url(url)
    assert (found is not None) == is_plain
    assert found is None or str(found) == url


def test_commands_use_it_for_this_machine_only() -> None:
    for url, kind in (
        ("http://127.0.0.1:1", LoopbackClient),
        ("http://manager.test:1", ManagerClient),
    ):
        with client_of(url) as client:
            assert type(client) is kind


@each_row("kind", BOTH)
def test_requests_are_the_same(kind: type[ManagerClient], monkeypatch: pytest.MonkeyPatch) -> None:
    session = {"ok": True, "session": {"session_id": "s"}}
    with recording(json_reply(session)) as server:
        monkeypatch.setenv("AGENT_ORCHESTRATOR_SESSION_MANAGER_URL", server.url)
        monkeypatch.setenv("AGENT_ORCHESTRATOR_TOKEN", "t" * 40)
        with kind(server.url) as client:
            client._request("GET", "/sessions?text=%C3%A9")
            client._request("POST", "/sessions", {"a": "é"})
            client._request("DELETE", "/sessions/s")
    assert server.connections == 1
    told = [(one.method, one.target, one.body) for one in server.requests]
    assert told == [
        ("GET", "/sessions?text=%C3%A9", b""),
        ("POST", "/sessions", '{"a": "é"}'.encode()),
        ("DELETE", "/sessions/s", b""),
    ]
    for request in server.requests:
        assert request.headers["authorization"] == f"Bearer {'t' * 40}"
        assert request.headers["host"] == server.url.removeprefix("http://")
    kinds = [request.headers.get("content-type") for request in server.requests]
    assert kinds == [None, "application/json", None]


@each_row("kind", BOTH)
def test_refusal_has_status_and_code(kind: type[ManagerClient]) -> None:
    reply = json_reply({"code": "name_taken", "detail": "taken"}, 409)
    with (
        recording(reply) as server,
        kind(server.url) as client,
        pytest.raises(SessionClientError, match="409 taken") as caught,
    ):
        client._request("POST", "/sessions", {})
    assert (caught.value.status_code, caught.value.code) == (409, "name_taken")


@each_row("kind", BOTH)
def test_refused_connection_is_a_connect_error(kind: type[ManagerClient]) -> None:
    with (
        refused_url() as url,
        kind(url) as client,
        pytest.raises(SessionClientError, match="refused") as caught,
    ):
        client.get_health()
    assert isinstance(caught.value.__cause__, httpx.ConnectError)


@each_row("kind", BOTH)
def test_silent_server_is_a_timeout(kind: type[ManagerClient]) -> None:
    with (
        silent_server() as url,
        kind(url, timeout=0.01) as client,
        pytest.raises(SessionClientError, match="timed out") as caught,
    ):
        client.get_health()
    assert isinstance(caught.value.__cause__, httpx.TimeoutException)


@contextmanager
def speaking(answer: bytes, *, is_patient: bool = False) -> Iterator[str]:
    """Yield the URL of a server that sends these bytes to each connection, and closes it.

    A patient one reads no more of the request, and waits until the client has closed, too.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)
                    if is_patient:
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(65536):
                            pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(WATCHDOG_SECONDS)


def cause_of_failure(kind: type[ManagerClient], answer: bytes) -> BaseException | None:
    """Return the cause of the error of a client whose server sends these bytes."""
    with (
        speaking(answer) as url,
        kind(url) as client,
        pytest.raises(SessionClientError) as caught,
    ):
        client.get_health()
    return caught.value.__cause__


@each_row("kind", BOTH)
@each_row(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"\0" * 999,
        b"HTTP/1.1 200 OK\r\n" + b"X-More: 1\r\n" * 100_000,
    ],
)
def test_other_protocols_are_errors(kind: type[ManagerClient], answer: bytes) -> None:
    assert isinstance(cause_of_failure(kind, answer), httpx.TransportError)


def test_connection_closed_by_the_server_is_replaced() -> None:
    body = b'{"service":"x"}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with speaking(answer) as url, LoopbackClient(url) as client:
        for _ in range(3):
            assert client.get_health() == {"service": "x"}
            [idle] = client._http._idle  # type: ignore[attr-defined]
            poll = select.poll()
            poll.register(idle, select.POLLIN)
            assert poll.poll(WATCHDOG_SECONDS * 1000)  # the end of the connection has arrived


@each_row("kind", BOTH)
def test_chunked_answer_is_joined(kind: type[ManagerClient]) -> None:
    answer = (
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n'
    )
    with speaking(answer) as url, kind(url) as client:
        assert client.get_health() == {"a": 1}


@each_row("kind", BOTH)
def test_interim_answers_are_skipped(kind: type[ManagerClient]) -> None:
    answer = (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}'
    )
    with speaking(answer) as url, kind(url) as client:
        assert client.get_health() == {"a": 1}


def test_bytes_after_an_answer_end_the_connection() -> None:
    one = b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}'
    other = b'HTTP/1.1 500 No\r\nContent-Length: 7\r\n\r\n{"b":2}'
    with speaking(one + other) as url, LoopbackClient(url) as client:
        assert [client.get_health() for _ in range(2)] == [{"a": 1}] * 2


def test_upgrade_is_not_an_answer() -> None:
    answer = b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    assert isinstance(cause_of_failure(LoopbackClient, answer), httpx.RemoteProtocolError)


def test_early_refusal_of_a_large_body_is_read() -> None:
    body = b'{"code":"body_too_large","detail":"too large"}'
    head = b"HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    with (
        speaking(head + body, is_patient=True) as url,
        LoopbackClient(url, WATCHDOG_SECONDS) as client,
        pytest.raises(SessionClientError) as caught,
    ):
        client._request("POST", "/sessions", {"text": "x" * 50_000_000})
    assert caught.value.code == "body_too_large"


def test_many_threads_share_one_client() -> None:
    together = threading.Barrier(8)

    def reply(_: object) -> object:
        together.wait(WATCHDOG_SECONDS)  # all requests are open at the same moment
        return json_reply({"service": "x"})

    with recording(reply) as server, LoopbackClient(server.url, WATCHDOG_SECONDS) as client:  # type: ignore[arg-type]
        threads = [threading.Thread(target=client.get_health) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WATCHDOG_SECONDS)
    assert len(server.requests) == server.connections == 8


def test_late_module_is_loaded_once_by_many_threads() -> None:
    program = (
        "import threading\n"
        "from agent_orchestrator.machine.fast_start import import_when_used\n"
        "import_when_used('httpx')\n"
        "import httpx\n"
        "together, found = threading.Barrier(8), []\n"
        "def use():\n"
        "    together.wait()\n"
        "    found.append(httpx.URL)\n"
        "threads = [threading.Thread(target=use) for _ in range(8)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "import sys\n"
        "print(len(found), len({*found}), sys.modules['httpx'].URL is found[0])"
    )
    assert output_of([sys.executable, "-c", program]) == "8 1 True\n"
