"""Requests to an ASGI application in the process of the test, without a socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, kw_only=True)
class Answered:
    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


async def asked(app: Any, method: str, target: str, body: bytes = b"") -> Answered:
    """Return the application's response; 500 if it raises, even after it began to respond."""
    sent: list[dict[str, Any]] = []

    received = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(received, None) or await asyncio.get_running_loop().create_future()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"content-type", b"application/json")],
    }
    try:
        await app(scope, receive, send)
    except Exception as exc:  # also after the response began
        return Answered(status=500, body=repr(exc).encode())
    parts = (message["body"] for message in sent[1:] if message.get("body"))
    return Answered(status=sent[0]["status"], body=b"".join(parts))
