"""A loopback server for one test: it records requests and sends the replies that the test gives."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.waiting import WATCHDOG_SECONDS


@dataclass(frozen=True, kw_only=True)
class Received:
    """A received request; the names of its headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A response to send; a `content_type` of None omits the header."""

    status: int = 200
    body: bytes = b"{}"
    content_type: str | None = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(value: Any, status: int = 200) -> Reply:
    return Reply(status=status, body=json.dumps(value).encode())


class RecordingServer(ThreadingHTTPServer):
    """A server that runs in a separate thread; see `recording`."""

    daemon_threads = True

    def __init__(self, answer: Callable[[Received], Reply | None], address: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.answer = answer
        self.requests: list[Received] = []
        self.connections = 0
        super().__init__((address, port), _Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        host = str(self.server_address[0])
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def get_request(self) -> tuple[socket.socket, Any]:
        self.connections += 1
        return super().get_request()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet per response: two would wait for an ACK of the first
    server: RecordingServer

    def _record_and_answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        received = Received(
            method=self.command,
            target=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )
        self.server.requests.append(received)
        reply = self.server.answer(received)
        if reply is None:
            self.close_connection = True
            return
        self.send_response(reply.status)
        if reply.content_type is not None:
            self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _record_and_answer

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: received requests are in `requests`."""


@contextmanager
def recording(
    answer: Callable[[Received], Reply | None] | Reply | None = None,
    *,
    address: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[RecordingServer]:
    """Run a server that sends the same `Reply` to every request, or the result of a function.

    If the function returns None, the server closes the connection without a response.
    """
    reply = answer if callable(answer) else lambda _received: answer or Reply()
    server = RecordingServer(reply, address, port)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(WATCHDOG_SECONDS)


@contextmanager
def silent_server() -> Iterator[str]:
    """Yield the URL of a server that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def refused_url() -> Iterator[str]:
    """Yield a URL whose port refuses connections and stays reserved."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
