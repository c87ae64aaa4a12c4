"""Requests as bytes with any headers, and the refusals of the guard."""

from __future__ import annotations

from collections.abc import Iterable

from tests.support.api import Answer, raw_connection
from tests.support.manager import RunningManager

Refusal = tuple[int, str]
NO_HOST: Refusal = (403, "host_not_allowed")
NO_ORIGIN: Refusal = (403, "origin_not_allowed")
NO_JSON: Refusal = (415, "json_only")
NO_TOKEN: Refusal = (401, "unauthorized")
TOO_MANY: Refusal = (429, "too_many_failures")
TWICE: Refusal = (400, "duplicate_header")


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


UPGRADE = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]


def handshake(manager: RunningManager, target: str, authorization: str) -> Answer:
    headers = [("Host", "127.0.0.1:PORT"), ("Authorization", authorization), *UPGRADE]
    with raw_connection(manager.port) as connection:
        return connection.ask(request(manager, f"GET {target} HTTP/1.1", headers), method="HEAD")
