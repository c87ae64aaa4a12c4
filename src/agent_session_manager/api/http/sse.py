"""Feeds as server-sent events: requests for them, and their sending.

A request is refused before the first byte, or not at all. A stalled reader is disconnected. It can
reconnect with its cursor, as after a lost connection.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from agent_session_manager.api.wire.feed_frames import (
    BYE,
    encode_list_frame,
    encode_ready,
    encode_session_frame,
)
from agent_session_manager.domain.cursor import Cursor, parse_cursor
from agent_session_manager.domain.errors import InvalidRequestError, OrchestratorError
from agent_session_manager.feed.frames import Frame, ListFrame
from agent_session_manager.store.feeds import Changes
from agent_session_manager.transport import deadlines
from agent_session_manager.transport.connection import (
    StalledReaderError,
    connection_of,
    send_until_left,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "text/event-stream"
_SLICE_BYTES = 16 * 1024
"""Bytes sent at once, and the most that is kept for a stalled reader."""

F = TypeVar("F")


def wants_stream(request: Request) -> bool:
    return MEDIA_TYPE in request.headers.get("accept", "")


def cursor_of(request: Request, given: str | None) -> Cursor | None:
    """Return the cursor to continue from: of a reconnecting reader, else of the URL."""
    text = request.headers.get("last-event-id") or given
    return None if text is None else parse_cursor(text)


def streamed(what: str) -> dict[int | str, dict[str, Any]]:
    """Document that a route also responds with a feed."""
    schema = {"type": "string", "description": f"Server-sent events: {what}"}
    return {200: {"content": {MEDIA_TYPE: {"schema": schema}}}}


def refuse_others(query: BaseModel, allowed: set[str]) -> None:
    """Refuse query parameters that apply to lists but not to feeds.

    Raises:
        InvalidRequestError: the query has a parameter that is not in `allowed`.
    """
    others = query.model_fields_set - allowed
    if others:
        raise InvalidRequestError(f"not allowed for a feed: {', '.join(sorted(others))}")


async def answer_with_session(frames: AsyncGenerator[Frame]) -> Response:
    """Respond with the feed of a session.

    Raises:
        OrchestratorError: the session cannot be followed from the cursor.
    """
    first = await anext(frames)
    return _EventStream(first, frames, encode_session_frame)


async def answer_with_list(frames: AsyncGenerator[ListFrame]) -> Response:
    """Respond with the feed of all sessions.

    Raises:
        OrchestratorError: the list cannot be followed from the cursor.
    """
    first = await anext(frames)
    assert isinstance(first, Changes)
    ready = encode_ready(first.cursor)
    return _EventStream(first, frames, encode_list_frame, greeting=ready)


class _EventStream(Response, Generic[F]):
    """Sends frames until they end, or the reader disconnects or stalls."""

    def __init__(
        self,
        first: F,
        rest: AsyncGenerator[F],
        encode: Callable[[F], bytes],
        greeting: bytes = b"",
    ) -> None:
        super().__init__(media_type=MEDIA_TYPE)
        del self.headers["content-length"]
        self._opening = encode(first) + greeting
        self._rest = rest
        self._encode = encode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_until_left(self._send(scope, send), _disconnected(receive))

    async def _send(self, scope: Scope, send: Send) -> None:
        connection = connection_of(scope)
        connection.hold_little()
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        chunk = self._opening
        async with aclosing(self._rest) as frames:
            try:
                while True:
                    whole = memoryview(chunk)  # sliced without a copy
                    for begin in range(0, len(whole), _SLICE_BYTES):
                        body = whole[begin : begin + _SLICE_BYTES]
                        await send({"type": "http.response.body", "body": body, "more_body": True})
                        await connection.drain(timeout_seconds=deadlines.STALLED_SECONDS)
                    chunk = self._encode(await anext(frames))
            except StopAsyncIteration:
                await send({"type": "http.response.body", "body": b""})
            except StalledReaderError:
                logger.info("a stalled reader was disconnected")
            except OrchestratorError as exc:
                logger.info("a feed was closed, its reader may reconnect: %s", exc)
                await send({"type": "http.response.body", "body": BYE})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
