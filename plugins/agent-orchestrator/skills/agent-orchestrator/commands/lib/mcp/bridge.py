"""Connects a client on stdio with the manager's MCP server.

The manager may restart at any time: what only reads, or can be repeated, is then sent again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from threading import Thread
from typing import Any

from ..machine.clock import Backoff
from .messages import INTERNAL_ERROR, INVALID_REQUEST, Json, Lines, error, tool_answer, tool_error
from .own_starts import STARTS, OwnStarts
from .upstream import Upstream, UpstreamError

logger = logging.getLogger(__name__)

MAX_OPEN = 64
RETRY_SECONDS = 30.0
"""Time for a manager to come back, shorter than clients wait for an answer."""
MAX_PAUSE_SECONDS = 2.0
_NOT_REPEATED = ("send_message", "resume_session")
_NOT_A_RUN = "not_a_run"
_MAY_WAIT = "wait_sessions"


class Bridge:
    """Serves one client until it closes its end."""

    def __init__(self, lines: Lines, upstream: Upstream, own_starts: OwnStarts | None) -> None:
        """Start sessions with `own_starts`; with None, leave also that to the manager."""
        self._lines = lines
        self._upstream = upstream
        self._own_starts = own_starts
        self._open: dict[str, tuple[asyncio.Task[None], str | None]] = {}
        """By its id: the task of each open request, and the tool that it calls."""

    async def serve(self) -> None:
        """Answer every request of the client until it closes its end; then end the waits."""
        received: asyncio.Queue[Json | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def read() -> None:
            try:
                for message in self._lines.read():
                    loop.call_soon_threadsafe(received.put_nowait, message)
            except OSError as exc:
                logger.info("the client cannot be served: %s", exc)
            loop.call_soon_threadsafe(received.put_nowait, None)

        # A daemon thread: reading stdin cannot be interrupted.
        Thread(target=read, name="stdin", daemon=True).start()
        while (message := await received.get()) is not None:
            self._receive(message)
        for task, tool in list(self._open.values()):
            if tool == _MAY_WAIT:
                task.cancel()
        while self._open:
            await asyncio.wait([task for task, _ in self._open.values()])
        await self._upstream.close()

    def _receive(self, message: Json) -> None:
        method, key = message.get("method"), _key(message.get("id"))
        if not isinstance(method, str):
            if not {"result", "error"} & message.keys():
                self._refuse(message, "a request has a method")
        elif "id" not in message:
            self._note(method, message.get("params"))
        elif key is None:
            self._refuse(message, "an id is a string or an integer")
        elif key in self._open:
            self._refuse(message, "a request with this id is open")
        elif len(self._open) >= MAX_OPEN:
            self._refuse(message, f"{MAX_OPEN} requests are open")
        else:
            task = asyncio.create_task(self._answer(message, key))
            self._open[key] = (task, _tool_of(message))
            task.add_done_callback(lambda task: self._close(key, task))

    def _close(self, key: str, task: asyncio.Task[None]) -> None:
        """Forget a request, unless its id is in use again."""
        if self._open.get(key, (None,))[0] is task:
            del self._open[key]

    def _refuse(self, message: Json, why: str) -> None:
        request_id = message.get("id") if _key(message.get("id")) else None
        self._write(error(request_id, INVALID_REQUEST, why))

    def _note(self, method: str, params: Any) -> None:
        if method == "notifications/cancelled" and isinstance(params, dict):
            found = self._open.get(_key(params.get("requestId")) or "")
            if found is not None:
                found[0].cancel()

    async def _answer(self, message: Json, key: str) -> None:
        try:
            async for answer in self._answers(message):
                if "method" not in answer:
                    self._open.pop(key, None)  # the client may use the id again
                self._write(answer)
        except Exception:  # one request must not end the others
            logger.exception("a request failed")
            self._write(error(message["id"], INTERNAL_ERROR, "internal error; see the log"))

    def _write(self, message: Json) -> None:
        try:
            self._lines.write(message)
        except BrokenPipeError:  # the end of stdin follows
            logger.info("the client no longer reads")

    async def _answers(self, message: Json) -> AsyncIterator[Json]:
        tool = _tool_of(message)
        try:
            async for answer in self._sent(message):
                if tool in STARTS and self._own_starts is not None and _code(answer) == _NOT_A_RUN:
                    yield await self._start(message, tool)
                else:
                    yield answer
        except UpstreamError as exc:
            if tool is None:
                yield error(message["id"], INTERNAL_ERROR, str(exc))
            else:
                doubt = "; it may have been done" if exc.is_sent and tool in _NOT_REPEATED else ""
                yield tool_error(message["id"], "manager_unavailable", f"{exc}{doubt}")

    async def _start(self, message: Json, tool: str) -> Json:
        """Start the session here: the manager has checked the arguments, and starts none."""
        assert self._own_starts is not None
        given = message["params"]["arguments"]
        # Not interrupted by a cancellation: a half start would be a lost run.
        work = asyncio.to_thread(self._own_starts.carry_out, tool, given)
        text, is_error = await asyncio.shield(work)
        return tool_answer(message["id"], text, is_error=is_error)

    async def _sent(self, message: Json) -> AsyncIterator[Json]:
        """Yield the manager's answer; send the message again if that can do no harm."""
        backoff = Backoff(MAX_PAUSE_SECONDS)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + RETRY_SECONDS
        while True:
            try:
                async for answer in self._upstream.send(message):
                    yield answer
                return
            except UpstreamError as exc:
                is_safe = not exc.is_sent or _tool_of(message) not in _NOT_REPEATED
                if loop.time() > deadline or exc.is_refused or not is_safe:
                    raise
                logger.info("%s: trying again", exc)
                backoff.fail()
                await asyncio.sleep(backoff.pause_seconds())


def _tool_of(message: Json) -> str | None:
    params = message.get("params")
    if message.get("method") != "tools/call" or not isinstance(params, dict):
        return None
    name = params.get("name")
    return name if isinstance(name, str) else None


def _code(answer: Json) -> str | None:
    """Return the code of a tool's error, or None."""
    try:
        return str(json.loads(answer["result"]["content"][0]["text"])["error"]["code"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _key(request_id: Any) -> str | None:
    """Return an id as a key; `1` and `"1"` are different."""
    is_valid = isinstance(request_id, str | int) and not isinstance(request_id, bool)
    return repr(request_id) if is_valid else None
