"""A plain HTTP connection to a manager: unlike our client, it returns status and bytes as sent."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from tests.support.waiting import WATCHDOG_SECONDS


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A response; the names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and code of an error response; fails if its body has any other shape."""
        said = self.json
        assert isinstance(said, dict), said
        assert {name: type(value) for name, value in said.items()} == {"detail": str, "code": str}
        assert said["detail"]
        assert self.headers["content-type"] == "application/json"
        return self.status, said["code"]


class Serving(Protocol):
    """The attributes of a manager that a connection needs."""

    @property
    def port(self) -> int: ...

    @property
    def token(self) -> str: ...


class Api:
    """One connection to a manager that sends its token with every request."""

    def __init__(self, manager: Serving) -> None:
        self.headers = {"Authorization": f"Bearer {manager.token}"}
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", manager.port, timeout=WATCHDOG_SECONDS
        )

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @property
    def socket(self) -> socket.socket | None:
        return self._connection.sock

    def get(self, target: str) -> Answer:
        return self.call("GET", target)

    def post(self, target: str, value: Any) -> Answer:
        return self.call("POST", target, json.dumps(value).encode())

    def patch(self, target: str, value: Any) -> Answer:
        return self.call("PATCH", target, json.dumps(value).encode())

    def put(self, target: str, value: Any) -> Answer:
        return self.call("PUT", target, json.dumps(value).encode())

    def delete(self, target: str) -> Answer:
        return self.call("DELETE", target)

    def call(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; a body is sent as JSON unless `headers` set another type."""
        kind = {"Content-Type": "application/json"} if body is not None else {}
        sent = {**self.headers, **kind, **(headers or {})}
        self._connection.request(method, target, body, sent)
        return read_answer(self._connection.getresponse())


def read_answer(response: http.client.HTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    assert len(headers) == len(response.getheaders()), "a header occurs twice"
    return Answer(status=response.status, headers=headers, body=response.read())


class RawConnection:
    """A socket to a manager, for requests that no HTTP library would send."""

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened

    def ask(self, request: bytes, *, method: str = "GET") -> Answer:
        """Send these bytes and read one response.

        Raises:
            http.client.HTTPException: the manager sent no valid response.
        """
        self.socket.sendall(request)
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return read_answer(response)


@contextmanager
def raw_connection(port: int) -> Iterator[RawConnection]:
    with socket.create_connection(("127.0.0.1", port), timeout=WATCHDOG_SECONDS) as opened:
        yield RawConnection(opened)
