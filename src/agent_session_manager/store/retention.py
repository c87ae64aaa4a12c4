"""Retention: the query for sessions that are due, and the changes that archive and delete.

The query does not use the writer. So each change checks its sessions again: one may have been
used since the query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from agent_session_manager.store.change import Change, SessionsChange


@dataclass(frozen=True, kw_only=True)
class ArchiveSessions(SessionsChange):
    """Archive those of the given sessions that are idle since `before`.

    The outcome is the ids of the archived sessions.
    """

    session_ids: Sequence[str]
    before: datetime


@dataclass(frozen=True, kw_only=True)
class DeleteArchived(SessionsChange):
    """Delete those of the given sessions that are archived and idle since `before`.

    The outcome is the ids of the deleted sessions.
    """

    session_ids: Sequence[str]
    before: datetime


@dataclass(frozen=True, kw_only=True)
class DeleteTranscripts(Change[list[str]]):
    """Delete the transcripts of those given sessions that got no entries since `before`.

    The outcome is the ids of these sessions.
    """

    session_ids: Sequence[str]
    before: datetime


RetentionChange = ArchiveSessions | DeleteArchived | DeleteTranscripts


@dataclass(frozen=True, kw_only=True)
class Due:
    """A session that is due, and roughly the number of rows that its change writes or deletes."""

    session_id: str
    rows: int


class RetentionReads(Protocol):
    """Reads for retention. They block, like all methods of a store."""

    def find_due(
        self, change: type[RetentionChange], before: datetime, *, limit: int
    ) -> list[Due]: ...
