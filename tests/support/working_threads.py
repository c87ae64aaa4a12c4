"""Threads that work until the test ends them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from tests.support.waiting import WATCHDOG_SECONDS


class WorkingThreads:
    """One thread for each of the given functions, which return soon after `ending` is set."""

    def __init__(self, works: Iterable[Callable[[], None]]) -> None:
        self.ending = threading.Event()
        self._threads = [threading.Thread(target=work) for work in works]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Wait until each thread has finished its current work."""
        self.ending.set()
        for thread in self._threads:
            thread.join(WATCHDOG_SECONDS)
            assert not thread.is_alive()
