"""The use cases of transcripts: the agents' own records, kept line by line as they came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from agent_session_manager.concurrency.writer import Writer
from agent_session_manager.domain.errors import TranscriptsOffError
from agent_session_manager.domain.transcript import AppendedEntries, TranscriptKey
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.transcripts import (
    AppendTranscript,
    DeleteTranscript,
    EntryPage,
    PutTranscriptSummary,
    SummaryPage,
    TranscriptFilter,
    TranscriptPage,
)


class Transcripts:
    """Where none are kept any more, those that there are can still be read and deleted."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        read: Callable[[Callable[[], Any]], Awaitable[Any]],
        *,
        keeps: bool,
    ) -> None:
        self._store = store
        self._writer = writer
        self._read = read
        self._keeps = keeps

    async def append(self, change: AppendTranscript) -> AppendedEntries:
        """Append entries that are not there yet.

        Raises:
            TranscriptsOffError: none are kept.
        """
        self._check()
        return cast(AppendedEntries, await self._writer.commit(change))

    async def put_summary(self, change: PutTranscriptSummary) -> int:
        """Replace a summary, and return its version.

        Raises:
            TranscriptsOffError: none are kept.
        """
        self._check()
        return cast(int, await self._writer.commit(change))

    async def delete(self, key: TranscriptKey) -> int:
        """Delete a transcript, with a main one all of its session; return how many there were."""
        return cast(int, await self._writer.commit(DeleteTranscript(key=key)))

    async def list_entries(self, key: TranscriptKey, *, after: int, limit: int) -> EntryPage:
        page = await self._read(
            lambda: self._store.transcripts.list_entries(key, after=after, limit=limit)
        )
        return cast(EntryPage, page)

    async def list(self, where: TranscriptFilter, *, limit: int, after: int) -> TranscriptPage:
        reads = self._store.transcripts
        page = await self._read(lambda: reads.list_transcripts(where, limit=limit, after=after))
        return cast(TranscriptPage, page)

    async def list_summaries(
        self, where: TranscriptFilter, *, limit: int, after: int
    ) -> SummaryPage:
        reads = self._store.transcripts
        page = await self._read(lambda: reads.list_summaries(where, limit=limit, after=after))
        return cast(SummaryPage, page)

    def _check(self) -> None:
        if not self._keeps:
            raise TranscriptsOffError
