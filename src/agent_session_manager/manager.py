"""The manager: what the service can do, whoever asks for it.

Reads go to a few threads, changes to the writer. It decides nothing about a session's state
(`domain/session.py` does) and knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Self, TypeVar, cast

from agent_session_manager.domain.errors import SessionNotFoundError
from agent_session_manager.domain.event import NewEvent
from agent_session_manager.domain.session import Run, Session, Status, is_session_id
from agent_session_manager.ingest import Writer
from agent_session_manager.store.base import (
    AppendEvents,
    CreateSession,
    DeleteSession,
    EventFilter,
    EventPage,
    OpenRun,
    SessionFilter,
    SessionPage,
    Store,
    UpdateSession,
)
from agent_session_manager.store.engine import READERS

T = TypeVar("T")


class Manager:
    """The use cases. Open it with `Manager.open(store)`, which closes the store in the end."""

    def __init__(self, store: Store, writer: Writer, readers: ThreadPoolExecutor) -> None:
        self._store = store
        self._writer = writer
        self._readers = readers

    @classmethod
    @asynccontextmanager
    async def open(cls, store: Store) -> AsyncIterator[Self]:
        """Serve a store until the block ends; then commit what waits, and close it."""
        readers = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="reader")
        try:
            async with Writer(store) as writer:
                yield cls(store, writer, readers)
        finally:
            readers.shutdown()
            store.close()

    async def create_session(self, new: CreateSession) -> Session:
        return cast(Session, await self._writer.commit(new))

    async def update_session(self, change: UpdateSession) -> Session:
        _known(change.session_id)
        return cast(Session, await self._writer.commit(change))

    async def open_run(self, change: OpenRun) -> Session:
        _known(change.session_id)
        return cast(Session, await self._writer.commit(change))

    async def delete_session(self, session_id: str) -> int:
        """Delete a session and all of its own; return how many events it had."""
        _known(session_id)
        return cast(int, await self._writer.commit(DeleteSession(session_id=session_id)))

    async def append(self, session_id: str, events: Sequence[NewEvent]) -> list[int]:
        """Append all or none, and return their seqs once they are durable."""
        _known(session_id)
        change = AppendEvents(session_id=session_id, events=events)
        return cast("list[int]", await self._writer.commit(change))

    async def get_session(self, session_id: str) -> Session:
        _known(session_id)
        return await self._read(lambda: self._store.get_session(session_id))

    async def get_status(self, session_id: str) -> Status:
        if not is_session_id(session_id):
            return "not_existent"
        return await self._read(lambda: self._store.get_status(session_id))

    async def get_result(self, session_id: str) -> str:
        _known(session_id)
        return await self._read(lambda: self._store.get_result(session_id))

    async def list_sessions(
        self, where: SessionFilter, *, limit: int, before: int | None = None
    ) -> SessionPage:
        return await self._read(
            lambda: self._store.list_sessions(where, limit=limit, before=before)
        )

    async def list_events(self, session_id: str, where: EventFilter, *, limit: int) -> EventPage:
        _known(session_id)
        return await self._read(lambda: self._store.list_events(session_id, where, limit=limit))

    async def list_runs(self, session_id: str) -> list[Run]:
        _known(session_id)
        return await self._read(lambda: self._store.list_runs(session_id))

    async def _read(self, query: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, query)


def _known(session_id: str) -> None:
    """Answer an id that no session can have without asking the store."""
    if not is_session_id(session_id):
        raise SessionNotFoundError(session_id)
