"""The reader: every read of the store goes to one of a few threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from agent_session_manager.store.protocol import READERS, Store

T = TypeVar("T")


class Reader:
    """Owns the threads that read. `close` waits for the reads that have begun."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="reader")

    async def read(self, query: Callable[[Store], T]) -> T:
        """Run `query` on the store in a thread, where it may block, and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, query, self._store)

    def close(self) -> None:
        self._threads.shutdown()
