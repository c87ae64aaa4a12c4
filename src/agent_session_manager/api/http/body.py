"""Reading a request's JSON: once, strictly, and within limits.

Refused here, before anything looks at it: what is larger than the limit, has too many values, is no
JSON, is nested too deeply, holds NUL (PostgreSQL cannot store it) or a number that cannot be kept
as it is. A lone surrogate, NaN and 1e400 are no JSON to orjson in the first place.
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
from starlette.requests import ClientDisconnect

from agent_session_manager.api.http.aside import LARGE_BYTES, in_thread
from agent_session_manager.api.http.errors import RequestError
from agent_session_manager.domain.json_values import MAX_DEPTH, UnstorableJsonError, check_value

T = TypeVar("T")

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_DRAINED_BYTES = 7 * MAX_BODY_BYTES
"""A body is read on this far over its limit, so that its sender gets to see the answer."""
MAX_PARTS = 250_000
"""Commas and opening brackets outside of texts. A body of nothing but `[],` takes thirty times its
size once it is read, and Python gives that back late: this many parts take 30 MB at most."""
_PART = rb'(?:(?:[^",\[{]++|"(?:[^"\\]++|\\.?)*+(?:"|\Z))*+[,\[{])'
_PARTS_AT_ONCE = 1000
_PARTS = re.compile(_PART + b"{%d}+" % _PARTS_AT_ONCE, re.DOTALL)
_ONE_PART = re.compile(_PART, re.DOTALL)
_NUL = re.compile(rb"\\u0000")


async def read_through(body: bytes, read: Callable[[bytes], T]) -> T:
    """What `read` makes of a body; a large one is read in a thread, so that nobody waits for it."""
    if len(body) <= LARGE_BYTES:
        return read(body)
    return await in_thread(lambda _pause: read(body))


class JsonRequest(Request):
    """A request whose body is read by the rules of this module."""

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            self._body = await read_body(self)
        return self._body

    async def json(self) -> Any:
        return await read_through(await self.body(), parse_json)


class JsonRoute(APIRoute):
    """A route whose handler sees a `JsonRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def read_strictly(request: Request) -> Response:
            return await handle(JsonRequest(request.scope, request.receive))

        return read_strictly


async def read_body(request: Request, *, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The body of a request.

    Raises:
        RequestError: 413 when it is larger than `max_bytes`, 400 when it is not all there.
    """
    drained = max_bytes + MAX_DRAINED_BYTES
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= max_bytes:
                chunks.append(chunk)
            elif size > drained:
                break
    except ClientDisconnect:  # nobody is there any more to be told, and nothing of ours is wrong
        raise RequestError(400, "incomplete_body", "the body ended early") from None
    if size > max_bytes:
        raise RequestError(
            413,
            "body_too_large",
            f"a body has at most {max_bytes} bytes",
            headers={"Connection": "close"} if size > drained else None,
        )
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def parse_json(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        RequestError: 400, with what is wrong with it.
    """
    check_parts(body, MAX_PARTS)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise RequestError(400, "invalid_json", f"the body is not JSON: {exc.msg}") from None
    with refused_as_request():
        # NUL can only come as this escape, so that texts are looked at only where it occurs.
        is_rounded = check_value(
            value, may_hold_nul=_NUL.search(body) is not None, max_depth=MAX_DEPTH
        )
    if is_rounded:
        # orjson reads an integer of more than 64 bits as a float: see how it was written.
        json.loads(body, parse_int=_fitting_int)
    return value


@contextmanager
def refused_as_request() -> Iterator[None]:
    """Answer 400 to JSON that cannot be kept."""
    try:
        yield
    except UnstorableJsonError as exc:
        raise RequestError(400, exc.code, str(exc)) from None


def check_parts(body: bytes, limit: int) -> None:
    """Refuse a body with more commas and opening brackets outside of texts: thousands of them.

    Raises:
        RequestError: 400 `too_many_values`.
    """
    # Most bodies have fewer even with those in their texts, which are not cheap to tell apart.
    if sum(map(body.count, (b",", b"[", b"{"))) <= limit:
        return
    at = 0
    for _ in range(limit // _PARTS_AT_ONCE):  # so that no single call is long
        found = _PARTS.match(body, at)
        if found is None:
            return
        at = found.end()
    if _ONE_PART.match(body, at):
        raise RequestError(
            400, "too_many_values", f"a body has at most {limit} commas and opening brackets"
        )


def _fitting_int(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise RequestError(
            400, "number_out_of_range", "an integer of more than 64 bits cannot be kept: send text"
        )
    return int(text)
