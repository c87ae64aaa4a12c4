"""Reads the messages of an agent while a request to it waits for its answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from functools import partial
from typing import Any

from ..events.event import Event
from ..events.prepare import create_event, text_content
from ..executors.base import ExecutorError
from .json_rpc import Call, JsonRpc, Notification, PeerGoneError, RpcError

logger = logging.getLogger(__name__)

Message = Notification | Call

_INVALID = -32602


class MessageReader:
    """Handles the messages of one agent in their order, each as events."""

    def __init__(
        self,
        rpc: JsonRpc,
        handle: Callable[[Message], AsyncGenerator[Event, None]],
        *,
        at_end: Callable[[], None] | None = None,
    ) -> None:
        """`at_end` is called when the agent has ended, before the wait for the work."""
        self._rpc = rpc
        self._messages = rpc.messages()
        self._handle = handle
        self._at_end = at_end
        self._reading: asyncio.Future[Message | None] | None = None
        """Stays at its end after the last message."""
        self._failures: list[tuple[Call, Exception]] = []
        """Failed tasks, each with its request, until `until` has yielded their events."""
        self._has_failed = asyncio.get_running_loop().create_future()
        self.breakdown: str | None = None
        """Reason why reading failed before the agent ended; None if it did not fail."""

    async def until(self, work: Awaitable[object]) -> AsyncGenerator[Event, None]:
        """Yield the events of all messages until `work` is done or the agent ends."""
        task: asyncio.Future[Any] = asyncio.ensure_future(work)
        try:
            while not task.done():
                if self._reading is None:
                    self._reading = asyncio.ensure_future(anext(self._messages, None))
                waiting = {task, self._reading, self._has_failed}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                while self._failures:
                    async for event in self._left_out(*self._failures.pop(0)):
                        yield event
                if self._has_failed.done():
                    self._has_failed = asyncio.get_running_loop().create_future()
                    continue
                if not self._reading.done():
                    break
                message = self._taken(self._reading)
                if message is None:
                    if self._at_end is not None:
                        self._at_end()
                    await asyncio.wait({task})
                    break
                self._reading = None
                async for event in self._events_of(message):
                    yield event
            await task
        finally:
            task.cancel()
            await asyncio.wait({task})

    def answer_later(self, call: Call, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Answer a request in a task. If the task fails, the request is refused, as in `until`."""
        task = asyncio.create_task(work, name=f"answer to {call.method}")
        task.add_done_callback(partial(self._note_end, call))
        return task

    def _note_end(self, call: Call, task: asyncio.Task[None]) -> None:
        failure = None if task.cancelled() else task.exception()
        # The reading notices, too, that the agent has gone.
        if isinstance(failure, Exception) and not isinstance(failure, PeerGoneError):
            logger.error("a request of the agent could not be answered", exc_info=failure)
            self._failures.append((call, failure))
            if not self._has_failed.done():
                self._has_failed.set_result(None)

    async def _events_of(self, message: Message) -> AsyncGenerator[Event, None]:
        """Yield the events of a message. One of an unexpected form costs itself, and not the run.

        A request is refused, because its agent waits for an answer.
        """
        try:
            async with aclosing(self._handle(message)) as events:
                async for event in events:
                    yield event
        except (ExecutorError, RpcError, PeerGoneError):
            raise
        except Exception as exc:
            logger.exception("a message of the agent could not be handled")
            async for event in self._left_out(message, exc):
                yield event

    async def _left_out(self, message: Message, exc: Exception) -> AsyncGenerator[Event, None]:
        note = f"a message {message.method!r} of the agent was left out: {exc!r}"
        yield create_event("diagnostic", content=text_content(note))
        if isinstance(message, Call):
            await self._rpc.refuse(message, _INVALID, "its form was not understood")

    def _taken(self, reading: asyncio.Future[Message | None]) -> Message | None:
        """Return the message that was read; None after the last one."""
        try:
            return reading.result()
        except PeerGoneError as exc:
            self.breakdown = self.breakdown or str(exc)
            return None

    async def aclose(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        await self._messages.aclose()
