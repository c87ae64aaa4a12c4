"""Work that grows with a body, kept off the event loop.

A small body is processed at once. Larger bodies are processed one at a time, and each caller has
one body in the queue. So a caller with many bodies does not delay other callers.

A large body is processed in a thread. After every few steps the thread waits until the loop has
made a turn: otherwise it would hold the interpreter lock.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar
from weakref import WeakValueDictionary

from starlette.requests import HTTPConnection

from agent_session_manager.api.http.caller import caller_of
from agent_session_manager.domain.sessions.run_token import RunCaller

T = TypeVar("T")
Pause = Callable[[], None]

MUCH_BYTES = 4096
LARGE_BYTES = 64 * 1024

# One thread for all bodies: more threads are not faster, and each would retain freed memory.
_thread = ThreadPoolExecutor(1, thread_name_prefix="aside")


class Turns:
    """The queue of bodies that are not small."""

    def __init__(self) -> None:
        self._of_all = asyncio.Lock()
        self._of_callers: WeakValueDictionary[RunCaller | None, asyncio.Lock] = (
            WeakValueDictionary()
        )

    @asynccontextmanager
    async def taken_by(self, caller: RunCaller | None) -> AsyncIterator[None]:
        own = self._of_callers.setdefault(caller, asyncio.Lock())
        async with own, self._of_all:
            yield


class GivenUpError(Exception):
    """The caller no longer waits for the work of the thread."""


class _TurnOfTheLoop:
    """A pause of a thread that ends after the event loop has made a turn."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.is_given_up = False

    def __call__(self) -> None:
        turned = threading.Event()
        self._loop.call_soon_threadsafe(turned.set)
        while not turned.wait(1.0):
            if self._loop.is_closed():  # before it ran the callback
                raise GivenUpError
        if self.is_given_up:
            raise GivenUpError


async def in_thread(work: Callable[[Pause], T]) -> T:
    """Run `work` in the thread; it calls its argument after every few steps."""
    pause = _TurnOfTheLoop()
    try:
        return await asyncio.get_running_loop().run_in_executor(_thread, work, pause)
    finally:
        pause.is_given_up = True


async def in_turn(request: HTTPConnection, size: int, work: Callable[[Pause | None], T]) -> T:
    """Run `work` for a body of this size; it gets None instead of a pause if the body is small."""
    if size <= MUCH_BYTES:
        return work(None)
    turns: Turns = request.app.state.turns
    async with turns.taken_by(caller_of(request)):
        return work(None) if size <= LARGE_BYTES else await in_thread(work)
