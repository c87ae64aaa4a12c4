"""The promises of a store for transcripts, in addition to those of `store/protocol.py`.

- The entries of a transcript have the positions 1, 2, 3, … without gaps, in commit order. Their
  texts are returned unchanged.
- An entry with an `entry_id` that the transcript has already is not added again, also within one
  batch.
- Entries are refused, like events, if their sender knows of later entries than the transcript has.
- A summary is replaced only by a caller that knows its version. A summary without the newest
  entries is older than its transcript.
- Deleting a main transcript deletes all transcripts of its session under its project key. Deleting
  a transcript with a subpath deletes it alone. Deleting a session deletes all its transcripts,
  under every project key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agent_session_manager.domain.transcript import (
    AppendedEntries,
    NewEntry,
    Summary,
    Transcript,
    TranscriptKey,
)
from agent_session_manager.store.change import Change


@dataclass(frozen=True, kw_only=True)
class AppendTranscript(Change[AppendedEntries]):
    """Append those of `entries` that are new to a transcript. The outcome is `AppendedEntries`.

    The entries are refused if the transcript ends before `known`, a position that its sender
    received.
    """

    key: TranscriptKey
    entries: Sequence[NewEntry]
    known: int = 0


@dataclass(frozen=True, kw_only=True)
class PutTranscriptSummary(Change[int]):
    """Replace the summary of a main transcript if it has `expected_version`; 0: no summary yet.

    `version` is the number of entries in the new summary. The outcome is `version`.
    """

    key: TranscriptKey
    expected_version: int
    version: int
    text: str


@dataclass(frozen=True, kw_only=True)
class DeleteTranscript(Change[int]):
    """Delete a transcript. The outcome is the number of deleted transcripts.

    For a main transcript, all transcripts of its session under the project key are deleted.
    """

    key: TranscriptKey


@dataclass(frozen=True, kw_only=True)
class TranscriptFilter:
    """Filter for a list of transcripts. A field without a value does not filter."""

    project_key: str
    session_id: str | None = None
    is_main: bool | None = None
    subpath: str | None = None


@dataclass(frozen=True, kw_only=True)
class TranscriptPage:
    """A page of transcripts, oldest first, and the mark after which the next page begins."""

    transcripts: list[Transcript]
    next_page: int | None


@dataclass(frozen=True, kw_only=True)
class SummaryPage:
    """A page of summaries, those of the oldest transcripts first, and the mark of the next page."""

    summaries: list[Summary]
    next_page: int | None


@dataclass(frozen=True, kw_only=True)
class EntryPage:
    """A page of a transcript's lines, and the position to continue after; None at the end."""

    lines: list[str]
    next_after: int | None
    last_position: int


class TranscriptReads(Protocol):
    """Reads of transcripts. They block, like all methods of a store."""

    def list_entries(self, key: TranscriptKey, *, after: int, limit: int) -> EntryPage: ...

    def list_transcripts(
        self, where: TranscriptFilter, *, limit: int, after: int = 0
    ) -> TranscriptPage: ...

    def list_summaries(
        self, where: TranscriptFilter, *, limit: int, after: int = 0
    ) -> SummaryPage: ...
