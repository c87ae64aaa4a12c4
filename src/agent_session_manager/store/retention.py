"""What a store offers to retention: who is due, and the changes that archive and delete.

Who is due is read without the writer; each change looks again at what it is given, because
somebody may have come back meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from agent_session_manager.store.change import Change


@dataclass(frozen=True, kw_only=True)
class ArchiveSessions(Change[list[str]]):
    """Archive those of some sessions that are idle since `before`. The outcome is which."""

    session_ids: Sequence[str]
    before: datetime

    def changed_sessions(self, outcome: list[str]) -> Collection[str]:
        return outcome


@dataclass(frozen=True, kw_only=True)
class DeleteArchived(Change[list[str]]):
    """Delete those of some sessions that are archived and idle since `before`.

    The outcome is which.
    """

    session_ids: Sequence[str]
    before: datetime

    def changed_sessions(self, outcome: list[str]) -> Collection[str]:
        return outcome


@dataclass(frozen=True, kw_only=True)
class DeleteTranscripts(Change[list[str]]):
    """Delete the transcripts of some sessions to which nothing was appended since `before`.

    The outcome is of which.
    """

    session_ids: Sequence[str]
    before: datetime


RetentionChange = ArchiveSessions | DeleteArchived | DeleteTranscripts


@dataclass(frozen=True, kw_only=True)
class Due:
    """A session that is due, and how many rows a change of it writes or deletes, about."""

    session_id: str
    rows: int


class RetentionReads(Protocol):
    """The reads of a store that say who is due. They block, as all of a store's do."""

    def find_due(
        self, change: type[RetentionChange], before: datetime, *, limit: int
    ) -> list[Due]: ...
