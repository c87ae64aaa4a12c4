"""What a store tells those who follow a session, or all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.event import Event
from agent_session_manager.domain.session import Session

MAX_CHARS = 256 * 1024
"""What the events that are read at once hold, give or take the last of them."""


@dataclass(frozen=True, kw_only=True)
class SessionNews:
    """A session as it is, and its next events: those up to its `last_seq` are all there."""

    session: Session
    events: list[Event]


@dataclass(frozen=True, kw_only=True)
class ChangedSession:
    """A session that was changed, and whether it was created since the cursor that was given."""

    session: Session
    position: int
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class DeletedSession:
    """A session that is gone."""

    session_id: str
    position: int


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What was changed past a cursor, in order, and the cursor to go on from."""

    changes: list[ChangedSession | DeletedSession]
    cursor: Cursor
    has_more: bool


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """The newest sessions, and after what everything later comes: all of one moment."""

    sessions: list[Session]
    cursor: Cursor
    number: int
    """Of the newest event."""


class FeedReads(Protocol):
    """The reads of a store that feeds are made of. They block, as all of a store's do."""

    def read_session(
        self, session_id: str, *, after: int, limit: int, max_chars: int = MAX_CHARS
    ) -> SessionNews:
        """A session and its events past `after`: at most `limit`, and about `max_chars`."""

    def read_changes(self, after: Cursor, *, limit: int, known: Cursor | None = None) -> Changes:
        """What was changed past a cursor: each session once, as it is now, at its newest position.

        `known` is the last cursor that was not followed by more; by default `after` is it. What was
        created past it is new to the reader, however often it was changed since.

        Raises:
            CursorUnknownError: the cursor is of another database, or older than what is known of
                deletions.
        """

    def head(self) -> Cursor:
        """The cursor of who knows everything up to now."""

    def begin(self, *, limit: int) -> Beginning:
        """The newest `limit` sessions, the newest first, and where it goes on from them."""

    def read_events(
        self, after: int, *, limit: int, max_chars: int = MAX_CHARS
    ) -> list[tuple[str, Event]]:
        """Events of all sessions past a number, in its order, each with the id of its session.

        At most `limit`, and fewer where they are large; none only where there are none.
        """
