"""Updates the summaries of transcripts."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import cast

from ..client.errors import VERSION_CONFLICT
from ..client.manager import Json, ManagerClient
from ..session_client import SessionClientError
from .batch import Batch, to_line

logger = logging.getLogger(__name__)

MAX_FOLDS = 16
"""Maximum attempts. At each conflict another client made progress, so fewer are needed."""
Fold = Callable[[Json | None, str, list[Json]], Json]
"""Makes the next summary from a summary or None, the id of its session, and further entries."""


class Summaries:
    """Updates summaries to follow their transcripts. Remembers the last stored summary."""

    def __init__(self, manager: ManagerClient, fold: Fold) -> None:
        self._manager = manager
        self._fold = fold
        self._newest: tuple[Mapping[str, str], int, Json | None] | None = None

    def advance(self, batch: Batch, *, appended: int, last_position: int) -> None:
        """Fold until the summary contains at least the entries up to `last_position`."""
        before = last_position - appended
        for _ in range(MAX_FOLDS):
            version, summary = self._current(batch, before)
            if version >= last_position:
                return
            if version == before and appended == len(batch.lines):
                folded = self._fold(summary, batch.session_id, list(map(json.loads, batch.lines)))
                reached = last_position
            else:
                folded, reached = self._read_on(batch, version, summary)
            if self._put(batch, folded, expected_version=version, version=reached):
                return
        logger.warning("the summary of a transcript is behind: it changed at each attempt")

    def _current(self, batch: Batch, wanted: int) -> tuple[int, Json | None]:
        if self._newest is not None and self._newest[:2] == (batch.transcript, wanted):
            return wanted, self._newest[2]
        for found in self._manager.list_summaries(batch.transcript):
            return found["version"], found["summary"]
        return 0, None

    def _read_on(self, batch: Batch, version: int, summary: Json | None) -> tuple[Json, int]:
        reached = version
        for entries in self._manager.iterate_entries(batch.transcript, after=version):
            summary = self._fold(summary, batch.session_id, entries)
            reached += len(entries)
        return summary or {}, reached

    def _put(self, batch: Batch, summary: Json, *, expected_version: int, version: int) -> bool:
        """Store a summary. Return False if the stored one is not of the expected version."""
        self._newest = None
        try:
            self._manager.put_summary(
                batch.transcript,
                to_line(summary),
                expected_version=expected_version,
                version=version,
            )
        except SessionClientError as exc:
            if exc.code == VERSION_CONFLICT:
                return False
            raise
        self._newest = (batch.transcript, version, summary)
        return True


def fold_as_sdk(summary: Json | None, session_id: str, entries: list[Json]) -> Json:
    """Fold entries with the Agent SDK, which must be installed."""
    from claude_agent_sdk import fold_session_summary
    from claude_agent_sdk.types import SessionKey, SessionStoreEntry, SessionSummaryEntry

    before: SessionSummaryEntry | None = None
    if summary is not None:
        before = {"session_id": session_id, "mtime": 0, "data": summary}
    key: SessionKey = {"project_key": "", "session_id": session_id}
    # The SDK accepts any object as an entry: its type only names optional fields.
    folded = fold_session_summary(before, key, cast("list[SessionStoreEntry]", entries))
    return folded["data"]
