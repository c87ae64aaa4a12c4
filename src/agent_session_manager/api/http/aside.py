"""Work that grows with a body, kept off the event loop.

A small body is worked on at once. A larger one waits for its turn: one at a time is worked on, and
each caller has one that waits, so that many bodies of one caller do not hold up those of others.
A large one is worked on in a thread, which waits after every few steps until the loop has made a
turn: a thread alone would keep the interpreter to itself.
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
from agent_session_manager.domain.run_token import RunCaller

T = TypeVar("T")
Pause = Callable[[], None]

MUCH_BYTES = 4096
LARGE_BYTES = 64 * 1024

# One for all bodies: several would be no faster, but each would keep some of the memory it has had.
_thread = ThreadPoolExecutor(1, thread_name_prefix="aside")


class Turns:
    """The order in which bodies that are not small are worked on."""

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
    """Nobody waits any longer for what a thread works on."""


class _TurnOfTheLoop:
    """A pause of a thread that ends after the event loop has made a turn."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.is_given_up = False

    def __call__(self) -> None:
        turned = threading.Event()
        self._loop.call_soon_threadsafe(turned.set)
        while not turned.wait(1.0):
            if self._loop.is_closed():  # before it came to this
                raise GivenUpError
        if self.is_given_up:
            raise GivenUpError


async def in_thread(work: Callable[[Pause], T]) -> T:
    """Do some work in the thread; it calls what it is given after every few steps."""
    pause = _TurnOfTheLoop()
    try:
        return await asyncio.get_running_loop().run_in_executor(_thread, work, pause)
    finally:
        pause.is_given_up = True


async def in_turn(request: HTTPConnection, size: int, work: Callable[[Pause | None], T]) -> T:
    """Do the work on a body of this size: without a pause if it is small enough."""
    if size <= MUCH_BYTES:
        return work(None)
    turns: Turns = request.app.state.turns
    async with turns.taken_by(caller_of(request)):
        return work(None) if size <= LARGE_BYTES else await in_thread(work)
