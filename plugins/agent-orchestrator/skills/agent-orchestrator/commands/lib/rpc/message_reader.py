"""Reads the messages of an agent while a request to it waits for its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from ..events.event import Event
from .json_rpc import Call, Notification, PeerGoneError

Message = Notification | Call


class MessageReader:
    """Handles the messages of one agent in their order, each as events."""

    def __init__(
        self,
        messages: AsyncGenerator[Message, None],
        handle: Callable[[Message], AsyncGenerator[Event, None]],
        *,
        at_end: Callable[[], None] | None = None,
    ) -> None:
        """`at_end` is called when the agent has ended, before the wait for the work."""
        self._messages = messages
        self._handle = handle
        self._at_end = at_end
        self._reading: asyncio.Future[Message | None] | None = None
        """Stays at its end after the last message."""
        self.breakdown: str | None = None
        """Reason why reading failed before the agent ended; None if it did not fail."""

    async def until(self, work: Awaitable[object]) -> AsyncGenerator[Event, None]:
        """Yield the events of all messages until `work` is done or the agent ends."""
        task: asyncio.Future[Any] = asyncio.ensure_future(work)
        try:
            while not task.done():
                if self._reading is None:
                    self._reading = asyncio.ensure_future(anext(self._messages, None))
                await asyncio.wait({task, self._reading}, return_when=asyncio.FIRST_COMPLETED)
                if not self._reading.done():
                    break
                message = self._taken(self._reading)
                if message is None:
                    if self._at_end is not None:
                        self._at_end()
                    await asyncio.wait({task})
                    break
                self._reading = None
                async for event in self._handle(message):
                    yield event
            await task
        finally:
            task.cancel()
            await asyncio.wait({task})

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
