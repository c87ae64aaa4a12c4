"""A peer that speaks JSON-RPC 2.0 over its stdin and stdout, one message a line.

It is tolerant: what it does not understand is kept as a note, and its caller answers the requests
that it does not know. All messages are handled in the order in which they were read. The answer to
a request of ours counts as one: its waiter continues before the next message is yielded.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, NamedTuple

from ..events.output_text import OutputText
from ..events.prepare import storable
from ..executors.program.pipes import read_stdout
from ..machine.processes import Child
from .json_lines import Line, TooLongError, read_lines

Json = dict[str, Any]

NOT_FOUND = -32601
INVALID_PARAMS = -32602
NOTES_BYTES_LIMIT = 64 * 1024
"""Limit for the lines that are no messages; of more, the first and the last are kept."""


class RpcError(Exception):
    """The peer has answered a request with an error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class PeerGoneError(Exception):
    """The peer has ended or closed a pipe, so a request gets no answer."""


class Notification(NamedTuple):
    """A message of the peer that needs no answer."""

    method: str
    params: Json


class Call(NamedTuple):
    """A request of the peer. It must get one answer: `JsonRpc.answer` or `JsonRpc.refuse`."""

    call_id: int | str
    method: str
    params: Json


class JsonRpc:
    """The connection to one peer, which is a child process."""

    def __init__(self, child: Child, *, has_header: bool = True) -> None:
        """Speak with `child`; `has_header` is false for a peer that leaves out `jsonrpc`."""
        self._child = child
        self._header: Json = {"jsonrpc": "2.0"} if has_header else {}
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._is_over = False
        self.notes = OutputText(NOTES_BYTES_LIMIT)
        """Lines of the peer that are no messages, and answers without a request."""

    async def request(self, method: str, params: Json) -> Any:
        """Send a request and return its result. The messages must be read at the same time.

        Raises:
            RpcError: the peer has refused it.
            PeerGoneError: the peer has ended before its answer.
        """
        number = next(self._ids)
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        try:
            await self._write({"id": number, "method": method, "params": params})
            return await answered
        finally:
            del self._waiting[number]
            if answered.done() and not answered.cancelled():
                answered.exception()  # it is known: our own task may have failed to write

    async def notify(self, method: str, params: Json | None = None) -> None:
        """Send a notification.

        Raises:
            PeerGoneError: the peer has ended.
        """
        await self._write({"method": method, **({} if params is None else {"params": params})})

    async def answer(self, call: Call, result: Any) -> None:
        """Answer a request of the peer. A peer that has ended needs no answer."""
        with contextlib.suppress(PeerGoneError):
            await self._write({"id": call.call_id, "result": result})

    async def refuse(self, call: Call, code: int = NOT_FOUND, message: str | None = None) -> None:
        """Answer a request of the peer with an error."""
        error = {"code": code, "message": message or f"unknown method {call.method!r}"}
        with contextlib.suppress(PeerGoneError):
            await self._write({"id": call.call_id, "error": error})

    async def messages(self) -> AsyncGenerator[Notification | Call, None]:
        """Yield the messages of the peer until it has ended or closed its stdout.

        The peer waits while nothing is read. At the end, requests that wait for an answer fail.

        Raises:
            PeerGoneError: what the peer writes can no longer be read.
        """
        try:
            async with (
                aclosing(read_stdout(self._child)) as chunks,
                aclosing(read_lines(chunks)) as lines,
            ):
                async for line in lines:
                    message = self._message(line)
                    if message is not None:
                        yield message
                    else:
                        await asyncio.sleep(0)  # the waiter of an answer continues first
        except TooLongError as exc:
            raise PeerGoneError(str(exc)) from exc
        finally:
            self._is_over = True
            self.notes.add(b"", final=True)
            for answered in self._waiting.values():
                if not answered.done():
                    answered.set_exception(PeerGoneError("it ended before it had answered"))

    def _message(self, line: Line) -> Notification | Call | None:
        """Return the message of a line, or handle it here: an answer, or no message at all."""
        match line.value:
            case {"method": str(method), "id": int() | str() as call_id, **rest}:
                return Call(call_id, method, _params(rest.get("params")))
            case {"method": str(method), **rest} if rest.get("id") is None:
                return Notification(method, _params(rest.get("params")))
            case {"id": int(number), "error": error} if self._is_awaited(number) and error:
                self._waiting[number].set_exception(_rpc_error(error))
            case {"id": int(number), "result": result} if self._is_awaited(number):
                self._waiting[number].set_result(result)
            case _:
                self.notes.add(line.head + b"\n")
        return None

    def _is_awaited(self, number: int) -> bool:
        return number in self._waiting and not self._waiting[number].done()

    async def _write(self, message: Json) -> None:
        if self._is_over or self._child.exit_code is not None:
            raise PeerGoneError("it has ended")
        text = storable(json.dumps({**self._header, **message}, ensure_ascii=False))
        try:
            self._child.stdin.write(text.encode() + b"\n")
            await self._child.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as exc:
            raise PeerGoneError("it has closed its input") from exc


def _params(params: Any) -> Json:
    return params if isinstance(params, dict) else {}


def _rpc_error(error: Any) -> RpcError:
    match error:
        case {"code": int(code), "message": str(message)}:
            return RpcError(code, message, error.get("data"))
    return RpcError(0, json.dumps(error, ensure_ascii=False))
