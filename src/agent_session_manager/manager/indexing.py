"""Steps of the search index, and its state compared with the record."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from agent_session_manager.concurrency.wakeups import Wakeups
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.search import Indexed, IndexState


class Indexing:
    """Makes steps in a thread of its own. `close` waits for the step that has begun."""

    def __init__(self, store: Store, wakeups: Wakeups) -> None:
        self._store = store
        self._wakeups = wakeups
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="indexer")
        self._state = IndexState.BEHIND
        self._notices = 0
        """Number of notices before the step that set the state."""

    @property
    def state(self) -> IndexState:
        """The state after the last step and the commits since then."""
        if self._state is IndexState.CURRENT and self._notices != self._wakeups.count:
            return IndexState.BEHIND
        return self._state

    @property
    def is_stopping(self) -> bool:
        """True once the service is stopping."""
        return self._wakeups.is_closed

    @contextmanager
    def watching(self) -> Iterator[asyncio.Event]:
        """Yield an event that is set by every change of a session, and by the stop."""
        with self._wakeups.subscribe(None) as changed:
            yield changed

    async def index_some(self) -> Indexed:
        """Bring the search index a step closer to the record."""
        notices = self._wakeups.count
        loop = asyncio.get_running_loop()
        try:
            indexed = await loop.run_in_executor(self._thread, self._store.search.index_some)
        except Exception as exc:
            self._state = IndexState.after(exc)
            raise
        self._state = IndexState.BEHIND if indexed.has_more else IndexState.CURRENT
        self._notices = notices
        return indexed

    def close(self) -> None:
        self._thread.shutdown()
