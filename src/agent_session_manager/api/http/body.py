"""Reads a request's JSON: once, strictly, and within limits.

This module refuses a body that is too large, has too many values, is nested too deeply or is not
valid JSON. It also refuses NUL, which PostgreSQL cannot store, and numbers that cannot be stored
exactly. For orjson, a lone surrogate, NaN and 1e400 are not valid JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute

from agent_session_manager.api.http.errors import RequestError
from agent_session_manager.api.http.off_loop import LARGE_BYTES, in_thread
from agent_session_manager.domain.json_values import MAX_DEPTH, UnstorableJsonError, check_value

T = TypeVar("T")

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_DRAINED_BYTES = 7 * MAX_BODY_BYTES
"""Bytes that are read and discarded past the limit, so that the sender can receive the response."""
MAX_PARTS = 250_000
"""Commas and opening brackets outside of strings. A body of only `[],` needs 30 times its size once
it is parsed, and Python frees that memory late. This many parts need at most 30 MB."""
_PART = rb'(?:(?:[^",\[{]++|"(?:[^"\\]++|\\.?)*+(?:"|\Z))*+[,\[{])'
_PARTS_AT_ONCE = 1000
_PARTS = re.compile(_PART + b"{%d}+" % _PARTS_AT_ONCE, re.DOTALL)
_ONE_PART = re.compile(_PART, re.DOTALL)
_NUL = rb"\u0000"


async def read_through(body: bytes, read: Callable[[bytes], T]) -> T:
    """Return `read(body)`. A large body is read in a thread: it must not block the event loop."""
    if len(body) <= LARGE_BYTES:
        return read(body)
    return await in_thread(lambda _pause: read(body))


class JsonRequest(Request):
    """A request whose body is read with the limits of this module."""

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            self._body = await read_body(self)
        return self._body

    async def json(self) -> Any:
        return await read_through(await self.body(), parse_json)


class JsonRoute(APIRoute):
    """A route whose handler receives a `JsonRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def read_strictly(request: Request) -> Response:
            return await handle(JsonRequest(request.scope, request.receive))

        return read_strictly


async def read_body(request: Request, *, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Return the body of a request.

    Raises:
        RequestError: 413 if the body is larger than `max_bytes`, 400 if it is incomplete.
    """
    drained = max_bytes + MAX_DRAINED_BYTES
    chunks: list[bytes] = []
    size = 0
    has_more = True
    while has_more and size <= drained:
        message = await request.receive()
        if message["type"] == "http.disconnect":  # not a defect: no client reads the response
            raise RequestError(
                400, "incomplete_body", "the connection closed before the end of the body"
            )
        chunk = message.get("body", b"")
        size += len(chunk)
        if chunk and size <= max_bytes:
            chunks.append(chunk)
        has_more = message.get("more_body", False)
    if size > max_bytes:
        raise RequestError(
            413,
            "body_too_large",
            f"the body has more than {max_bytes} bytes",
            headers={"Connection": "close"} if size > drained else None,
        )
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        RequestError: 400, with the reason.
    """
    check_parts(body, MAX_PARTS)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise RequestError(400, "invalid_json", f"the body is not JSON: {exc.msg}") from None
    with refused_as_request():
        # JSON can contain NUL only as this escape, so strings are checked only if it occurs.
        is_rounded = check_value(value, may_hold_nul=_NUL in body, max_depth=MAX_DEPTH)
    if is_rounded:
        # orjson reads an integer of more than 64 bits as a float: check the text of each integer.
        json.loads(body, parse_int=_fitting_int)
    return value


@contextmanager
def refused_as_request() -> Iterator[None]:
    """Turn an `UnstorableJsonError` in the block into a 400."""
    try:
        yield
    except UnstorableJsonError as exc:
        raise RequestError(400, exc.code, str(exc)) from None


def check_parts(body: bytes, limit: int) -> None:
    """Refuse a body with more than `limit` commas and opening brackets outside of strings.

    `limit` is a multiple of 1000.

    Raises:
        RequestError: 400 `too_many_values`.
    """
    # Most bodies have fewer even if strings are included, and excluding strings is slow.
    if len(body) <= limit or sum(map(body.count, (b",", b"[", b"{"))) <= limit:
        return
    at = 0
    for _ in range(limit // _PARTS_AT_ONCE):  # in steps, so that no single call takes long
        found = _PARTS.match(body, at)
        if found is None:
            return
        at = found.end()
    if _ONE_PART.match(body, at):
        raise RequestError(
            400, "too_many_values", f"the body has more than {limit} commas and opening brackets"
        )


def _fitting_int(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise RequestError(
            400, "number_out_of_range", "an integer has more than 64 bits: send it as a string"
        )
    return int(text)
