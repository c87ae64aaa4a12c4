"""A receiver of webhooks on loopback, which answers each request as the test has planned."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.waiting import wait_for


@dataclass(frozen=True)
class Reply:
    """A planned answer."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    hangs: bool = False
    """Answer only when the receiver ends."""
    is_endless: bool = False
    """Send the body again and again, until the sender closes the connection."""


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    """The names are in lower case."""
    body: bytes

    @property
    def alert_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Takes requests in a thread each. Without a planned reply, it answers 200."""

    def __init__(self) -> None:
        self.planned: deque[Reply] = deque()
        self.received: list[Received] = []
        self._ending = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer._answer(self, Received(self.path, headers, body))

            def do_GET(self) -> None:
                outer._answer(self, Received(self.path, {"webhook-id": "GET"}, b""))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def ids(self) -> list[str]:
        """The ids of the received alerts, in order, without direct repetitions."""
        ids = [each.alert_id for each in list(self.received)]
        return [each for place, each in enumerate(ids) if not place or ids[place - 1] != each]

    def wait_for(self, count: int) -> list[Received]:
        """Wait for a number of requests, and return all."""
        wait_for(lambda: len(self.received) >= count, f"{count} requests to the receiver")
        return list(self.received)

    def _answer(self, handler: BaseHTTPRequestHandler, received: Received) -> None:
        reply = self.planned.popleft() if self.planned else Reply()
        self.received.append(received)
        if reply.hangs:
            self._ending.wait()
            handler.close_connection = True
            return
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        length = 10**12 if reply.is_endless else len(reply.body)
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.close_connection = reply.is_endless
        with suppress(OSError):  # the sender may have read enough
            handler.wfile.write(reply.body)
            while reply.is_endless and not self._ending.is_set():
                handler.wfile.write(reply.body)

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def receiving(*planned: Reply) -> Iterator[Receiver]:
    """Run a receiver with planned replies."""
    with Receiver() as receiver:
        receiver.planned.extend(planned)
        yield receiver
