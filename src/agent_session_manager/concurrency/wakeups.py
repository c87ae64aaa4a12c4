"""Wakes callers in this process that wait for a change of a session.

A wakeup carries no data: each subscriber reads the store again. So a wakeup without a change does
no harm, and wakeups need no queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

T = TypeVar("T")


class Wakeups:
    """Subscriptions to the changes of single sessions and of all sessions."""

    def __init__(self) -> None:
        self._subscriptions: dict[str | None, set[asyncio.Event]] = {}
        self._closed = False
        self.count = 0
        """Number of notices so far. If it is the same as before, nothing has changed since."""

    @property
    def is_closed(self) -> bool:
        return self._closed

    @contextmanager
    def subscribe(self, session_id: str | None) -> Iterator[asyncio.Event]:
        """Yield an event that is set at the next change of a session (of any session, if None).

        Subscribe first, then read the store.
        """
        changed = asyncio.Event()
        if self._closed:
            changed.set()
        subscriptions = self._subscriptions.setdefault(session_id, set())
        subscriptions.add(changed)
        try:
            yield changed
        finally:
            subscriptions.discard(changed)
            if not subscriptions:
                self._subscriptions.pop(session_id, None)

    def notify(self, session_ids: Collection[str] | None) -> None:
        """Wake the subscribers of these sessions and of all sessions; None wakes every subscriber.

        An empty collection wakes no subscriber.
        """
        if session_ids is not None and not session_ids:
            return
        self.count += 1
        self.remind((*self._subscriptions,) if session_ids is None else (*session_ids, None))

    def remind(self, session_ids: Collection[str | None]) -> None:
        """Wake the subscribers of just these sessions, although nothing has changed."""
        for key in session_ids:
            for changed in self._subscriptions.get(key, ()):
                changed.set()

    async def look_until(
        self, session_id: str, look: Callable[[], Awaitable[tuple[T, bool]]], wait_seconds: float
    ) -> T:
        """Call `look` now and at each change of a session, until it succeeds or time is up."""
        deadline = asyncio.get_running_loop().time() + wait_seconds
        while True:
            with self.subscribe(session_id) as changed:
                found, is_enough = await look()
                left = deadline - asyncio.get_running_loop().time()
                if is_enough or left <= 0 or self._closed:
                    return found
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), left)

    def close(self) -> None:
        """Wake all current and future subscribers: a manager that stops keeps no caller waiting."""
        self._closed = True
        self.notify(None)


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait until an event is set, or the time is over; return whether it was set in time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
