"""HTTP to a manager on this machine, for commands and supervisors.

The import of httpx takes longer than all else in a short command, and as long as the rest of a
supervisor's start. So requests go through a socket and httptools. Errors are those of httpx:
callers see no difference. Feeds, TLS and proxies are left to httpx.
"""

from __future__ import annotations

import json
import re
import select
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import httptools

from ...session_client import SessionClientError
from ..manager import ManagerClient

if TYPE_CHECKING:
    import httpx

Authorize = Callable[[Any], Any]
"""Adds the token to a request that has `headers`."""

_URL = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\]):([1-9][0-9]{0,4})")
_CHUNK_BYTES = 65536
_MAX_HEAD_BYTES = 100 * 1024
"""As httpx allows."""


class LoopbackUrl(NamedTuple):
    """The parts of an URL that a client looks at, named as httpx names them."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def loopback_url(text: str) -> LoopbackUrl | None:
    """Return the parts of a plain URL of this machine, or None for any other URL."""
    found = _URL.fullmatch(text)
    if found is None or int(found[2]) > 65535:
        return None
    return LoopbackUrl("http", found[1].strip("[]"), int(found[2]))


class LoopbackClient(ManagerClient):
    """A `ManagerClient` of a `loopback_url`."""

    def _connect(self, base_url: str, timeout: float) -> None:
        url = loopback_url(base_url)
        if url is None:
            raise SessionClientError(f"{base_url!r} is not a plain URL of this machine")
        self.base_url, self.timeout = base_url, timeout
        self._url = url  # type: ignore[assignment]  # it has the used parts of httpx.URL
        self._http = LoopbackHttp(url, timeout, self._authorize)  # type: ignore[assignment]


class LoopbackResponse:
    """One whole answer, read through the callbacks of httptools; interim answers are skipped."""

    def __init__(self) -> None:
        self._body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        self._head_bytes = 0
        self._is_in_head = True
        self.status_code = 0
        self.reason_phrase = ""
        self.is_complete = False
        self.may_be_reused = False
        """True if the connection is open for the next request."""

    def on_message_begin(self) -> None:
        self.may_be_reused = False  # after a complete answer: surplus bytes

    def on_status(self, reason: bytes) -> None:
        if not self.is_complete:
            self.reason_phrase += reason.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._is_in_head = False

    def on_body(self, part: bytes) -> None:
        if not self.is_complete:
            self._body.append(part)

    def on_message_complete(self) -> None:
        if self.is_complete:
            return
        self.status_code = int(self._parser.get_status_code())
        if self.status_code < 200:
            self.reason_phrase, self._is_in_head = "", True
            return
        self.is_complete = True
        self.may_be_reused = bool(self._parser.should_keep_alive())

    def feed(self, chunk: bytes) -> None:
        """Parse the next bytes.

        Raises:
            httptools.HttpParserError, httptools.HttpParserUpgrade: not an answer that we can read.
            KeyboardInterrupt: Ctrl-C was pressed in a callback.
        """
        if self._is_in_head:
            self._head_bytes += len(chunk)
            if self._head_bytes > _MAX_HEAD_BYTES + _CHUNK_BYTES:
                raise httptools.HttpParserError(f"headers of more than {_MAX_HEAD_BYTES} bytes")
        try:
            self._parser.feed_data(chunk)
        except httptools.HttpParserCallbackError as exc:
            cause = exc.__context__
            if cause is not None and not isinstance(cause, Exception):
                raise cause from None
            raise

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300

    def json(self) -> Any:
        return json.loads(b"".join(self._body))


class LoopbackHttp:
    """Connections to one manager. Any number of threads may use it; each request has its own."""

    def __init__(self, url: LoopbackUrl, timeout_seconds: float, authorize: Authorize) -> None:
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._authorize = authorize
        self._idle: list[socket.socket] = []
        self._pooled: httpx.Client | None = None

    def request(
        self, method: str, url: str, *, content: bytes | None, headers: Mapping[str, str]
    ) -> LoopbackResponse:
        """Send one request and return its answer.

        Raises:
            httpx.ConnectError, httpx.TimeoutException, httpx.RemoteProtocolError,
            httpx.NetworkError: as httpx raises them.
        """
        request = SimpleNamespace(headers=dict(headers))
        self._authorize(request)
        address = str(self._url)
        fields = {
            "Host": address.removeprefix("http://"),
            "Accept": "*/*",
            "Connection": "keep-alive",
            **request.headers,
        }
        if content is not None or method in ("POST", "PUT", "PATCH"):
            fields["Content-Length"] = str(len(content or b""))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        target = url.removeprefix(address) or "/"
        whole = f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("ascii") + (content or b"")
        connection = self._take()
        try:
            response = self._exchange(connection, whole)
        except BaseException:
            connection.close()
            raise
        if response.may_be_reused:
            self._idle.append(connection)
        else:
            connection.close()
        return response

    def stream(self, *arguments: Any, **options: Any) -> Any:
        """Open a stream through httpx."""
        import httpx

        if self._pooled is None:
            self._pooled = httpx.Client(
                timeout=self._timeout_seconds, auth=self._authorize, trust_env=False, verify=False
            )
        return self._pooled.stream(*arguments, **options)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()
        if self._pooled is not None:
            self._pooled.close()

    def _take(self) -> socket.socket:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            poll = select.poll()  # `select` accepts no descriptor above 1,023
            poll.register(connection, select.POLLIN)
            if not poll.poll(0):
                return connection
            connection.close()  # the manager has closed it
        try:
            return self._connect()
        except OSError as exc:
            import httpx

            kind = httpx.ConnectTimeout if isinstance(exc, TimeoutError) else httpx.ConnectError
            raise kind(str(exc)) from exc

    def _connect(self) -> socket.socket:
        address = self._url[1:]
        if self._url.host != "127.0.0.1":
            return socket.create_connection(address, timeout=self._timeout_seconds)
        # `create_connection` would import what encodes international names.
        connection = socket.socket()
        try:
            connection.settimeout(self._timeout_seconds)
            # Or the end of a large body waits for the acknowledgement of its beginning.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.connect(address)
        except BaseException:
            connection.close()
            raise
        return connection

    def _exchange(self, connection: socket.socket, request: bytes) -> LoopbackResponse:
        response = LoopbackResponse()
        try:
            # A manager may answer and close before it has the whole body.
            with suppress(BrokenPipeError, ConnectionResetError):
                _send(connection, request)
            while not response.is_complete:
                chunk = connection.recv(_CHUNK_BYTES)
                if not chunk:
                    raise ConnectionResetError("the manager closed the connection")
                response.feed(chunk)
        except (OSError, httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            import httpx

            kind: type[httpx.TransportError] = httpx.RemoteProtocolError
            if isinstance(exc, TimeoutError):
                kind = httpx.ReadTimeout
            raise kind(str(exc)) from exc
        return response


def _send(connection: socket.socket, request: bytes) -> None:
    """Send all bytes; the time-out is for each part, as in httpx."""
    rest = memoryview(request)
    while rest:
        rest = rest[connection.send(rest) :]
