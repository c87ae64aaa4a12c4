"""Reads the events of an agent to their end, also if its run is stopped before."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable

from ..events.event import Event
from .base import ExecutorError


class EventReader:
    """Reads the events of one run. A cancelled wait for an event stops the agent.

    The events of its last output follow. So an executor keeps the second half of promise 7.
    """

    def __init__(
        self, events: AsyncGenerator[Event, None], stop: Callable[[], Awaitable[None]]
    ) -> None:
        """`stop` stops the agent, whose events then end."""
        self._events = events
        self._stop = stop
        self._late: deque[Event] = deque()
        self.is_stopped = False

    async def next(self) -> Event | None:
        """Return the next event; None after the last one."""
        if not self.is_stopped:
            # Shielded: a cancelled read would lose the event that it is about to return.
            reading = asyncio.ensure_future(anext(self._events, None))
            try:
                return await asyncio.shield(reading)
            except asyncio.CancelledError:
                self.is_stopped = True
                self._late.extend(await self._last_words(reading))
        return self._late.popleft() if self._late else None

    async def _last_words(self, reading: asyncio.Future[Event | None]) -> list[Event]:
        stopping = asyncio.ensure_future(self._stop())
        try:
            first = await reading
            return [] if first is None else [first, *[event async for event in self._events]]
        except ExecutorError:  # it was stopped before it had started
            return []
        finally:
            await stopping
