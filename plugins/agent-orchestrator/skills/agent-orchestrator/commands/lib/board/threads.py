"""Work that would block the board: it runs in threads of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


def call_in_thread(work: Callable[[], T], *, is_kept: bool = False) -> asyncio.Future[T]:
    """Return the future result of a function that runs in a thread of its own.

    The process does not wait for the thread, unless it `is_kept`.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = work()
        except Exception as exc:
            _settle(loop, future, future.set_exception, exc)
        else:
            _settle(loop, future, future.set_result, result)

    Thread(target=run, daemon=not is_kept).start()
    return future


def _settle(
    loop: asyncio.AbstractEventLoop,
    future: asyncio.Future[T],
    settle: Callable[[Any], None],
    outcome: Any,
) -> None:
    """Settle a future of another thread, unless nothing waits for it any longer."""
    with suppress(RuntimeError):  # the loop is closed: the person has left the board
        loop.call_soon_threadsafe(lambda: None if future.done() else settle(outcome))
