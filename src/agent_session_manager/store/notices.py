"""Reads of notices, which tell a session that runs of the sessions below it have ended."""

from __future__ import annotations

from typing import Protocol

from agent_session_manager.domain.sessions.notice import Batch, Due, Outlook


class NoticeReads(Protocol):
    """Reads of notices. Promise 17 of the store."""

    def find_due(self) -> Due:
        """Return the sessions whose pending notices can be delivered now."""

    def get_outlook(self, session_id: str) -> Outlook: ...

    def get_batch(self, session_id: str, run: int) -> Batch | None:
        """Return the undelivered notices that are offered to a run of a session."""

    def is_news(self, parent_number: int, session_id: str) -> bool:
        """Return whether a notice of a session is pending for the session with this number."""
