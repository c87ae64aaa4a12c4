"""What a store promises of transcripts, beside what `store/protocol.py` says of every change.

- The entries of a transcript have the positions 1, 2, 3, … without gaps, in the order of commit,
  and come back as the texts that they came as.
- An `entry_id` that a transcript has already is not added again, also within one batch.
- Entries whose sender knows more of their transcript than there is are refused, as events are.
- A summary is replaced only by who knows its version; while entries are missing, it is older.
- Deleting a main transcript deletes all of its session under its project key; deleting one with a
  subpath deletes that one; deleting a session deletes what is filed under its id anywhere.
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
    """Append what is new of `entries` to a transcript. The outcome is `AppendedEntries`.

    They are refused where the transcript does not reach `known`, a position that the sender was
    told.
    """

    key: TranscriptKey
    entries: Sequence[NewEntry]
    known: int = 0


@dataclass(frozen=True, kw_only=True)
class PutTranscriptSummary(Change[int]):
    """Replace the summary of a main transcript, if it is of `expected_version`; 0 is none yet.

    `version` is how many entries are in the new one. The outcome is the version.
    """

    key: TranscriptKey
    expected_version: int
    version: int
    text: str


@dataclass(frozen=True, kw_only=True)
class DeleteTranscript(Change[int]):
    """Delete a transcript, and with a main one all of its session under that project key.

    The outcome is how many transcripts there were.
    """

    key: TranscriptKey


@dataclass(frozen=True, kw_only=True)
class TranscriptFilter:
    """Which transcripts to list. What is None does not filter."""

    project_key: str
    session_id: str | None = None
    is_main: bool | None = None


@dataclass(frozen=True, kw_only=True)
class TranscriptPage:
    """Some transcripts, the oldest first, and the mark at which the next page begins."""

    transcripts: list[Transcript]
    next_page: int | None


@dataclass(frozen=True, kw_only=True)
class SummaryPage:
    """Some summaries, those of the oldest transcripts first, and the mark of the next page."""

    summaries: list[Summary]
    next_page: int | None


@dataclass(frozen=True, kw_only=True)
class EntryPage:
    """Some lines of a transcript in order, and the position to go on after; None at the end."""

    lines: list[str]
    next_after: int | None
    last_position: int


class TranscriptReads(Protocol):
    """The reads of a store that are about transcripts. They block, as all of a store's do."""

    def list_entries(self, key: TranscriptKey, *, after: int, limit: int) -> EntryPage: ...

    def list_transcripts(
        self, where: TranscriptFilter, *, limit: int, after: int = 0
    ) -> TranscriptPage: ...

    def list_summaries(
        self, where: TranscriptFilter, *, limit: int, after: int = 0
    ) -> SummaryPage: ...
