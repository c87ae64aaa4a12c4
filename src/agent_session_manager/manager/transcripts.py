"""The use cases of transcripts: the agents' own records, stored line by line, unchanged."""

from __future__ import annotations

from agent_session_manager.concurrency.reader import Reader
from agent_session_manager.concurrency.writer import Writer
from agent_session_manager.domain.errors import TranscriptsOffError
from agent_session_manager.domain.transcript import AppendedEntries, TranscriptKey
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
    """The use cases. If `keeps` is false, stored transcripts can still be read and deleted."""

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        *,
        keeps: bool,
    ) -> None:
        self._writer = writer
        self._read = reader.read
        self._keeps = keeps

    async def append(self, change: AppendTranscript) -> AppendedEntries:
        """Append entries that are not there yet.

        Raises:
            TranscriptsOffError: storing transcripts is off.
        """
        self._check()
        return await self._writer.commit(change)

    async def put_summary(self, change: PutTranscriptSummary) -> int:
        """Replace a summary, and return its version.

        Raises:
            TranscriptsOffError: storing transcripts is off.
        """
        self._check()
        return await self._writer.commit(change)

    async def delete(self, key: TranscriptKey) -> int:
        """Delete a transcript, with a main one all of its session; return the number deleted."""
        return await self._writer.commit(DeleteTranscript(key=key))

    async def list_entries(self, key: TranscriptKey, *, after: int, limit: int) -> EntryPage:
        return await self._read(
            lambda store: store.transcripts.list_entries(key, after=after, limit=limit)
        )

    async def list(self, where: TranscriptFilter, *, limit: int, after: int) -> TranscriptPage:
        return await self._read(
            lambda store: store.transcripts.list_transcripts(where, limit=limit, after=after)
        )

    async def list_summaries(
        self, where: TranscriptFilter, *, limit: int, after: int
    ) -> SummaryPage:
        return await self._read(
            lambda store: store.transcripts.list_summaries(where, limit=limit, after=after)
        )

    def _check(self) -> None:
        if not self._keeps:
            raise TranscriptsOffError
