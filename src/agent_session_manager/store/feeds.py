"""The reads of a store for feeds: of one session, and of all sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.events.event import Event
from agent_session_manager.domain.sessions.session import Session

MAX_CHARS = 256 * 1024
"""Characters in the events of one read; the last event may exceed the limit."""


@dataclass(frozen=True, kw_only=True)
class ChangedSession:
    """A changed session; `is_new` if it was created after the last cursor that the reader has."""

    session: Session
    position: int
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class DeletedSession:
    """A session that was deleted."""

    session_id: str
    position: int


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Changes past a cursor, in order, and the cursor for the next read."""

    changes: list[ChangedSession | DeletedSession]
    cursor: Cursor
    has_more: bool


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """The newest sessions and the positions after them, in one consistent snapshot."""

    sessions: list[Session]
    cursor: Cursor
    number: int
    """Number of the newest event."""


class FeedReads(Protocol):
    """The reads of a store for feeds. They block the calling thread."""

    def read_session(
        self, session_id: str, *, after: int, limit: int, max_chars: int = MAX_CHARS
    ) -> tuple[Session, list[Event]]:
        """Read a session and its events past `after`: at most `limit`, and about `max_chars`.

        All events up to the `last_seq` of the session can be read.
        """

    def read_changes(self, after: Cursor, *, limit: int, known: Cursor | None = None) -> Changes:
        """Read the changes past a cursor: each current session once, at its newest position.

        `known` is the last cursor with `has_more` false; its default is `after`. A session created
        after `known` is new to the reader, however often it was changed since.

        Raises:
            CursorUnknownError: the cursor belongs to another database, or is older than the stored
                deletions.
        """

    def head(self) -> Cursor:
        """Return the newest cursor of the list of all sessions."""

    def begin(self, *, limit: int) -> Beginning:
        """Read the newest `limit` sessions, newest first, and the positions after them."""

    def read_events(
        self, after: int, *, limit: int, max_chars: int = MAX_CHARS
    ) -> list[tuple[str, Event]]:
        """Read events of all sessions past a number, in that order, each with its session's id.

        Returns at most `limit` events, fewer if they are large, and at least one if there is one.
        """
