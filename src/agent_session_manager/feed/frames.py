"""What a reader of a feed is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.session import Session
from agent_session_manager.feed.tail import Batch
from agent_session_manager.store.feeds import ChangedSession, DeletedSession


@dataclass(frozen=True, kw_only=True)
class EventsAdded:
    """Events that the reader did not have, in order, and the cursor's generation."""

    batch: Batch
    generation: str


@dataclass(frozen=True, kw_only=True)
class SessionChanged:
    """How the session stands; said at the beginning and when more than its events has changed."""

    session: Session


@dataclass(frozen=True, kw_only=True)
class SessionEnded:
    """The session is finished, and the reader has everything."""

    session: Session


@dataclass(frozen=True, kw_only=True)
class SessionDeleted:
    """The session is gone, or another one has its id."""

    session_id: str


@dataclass(frozen=True, kw_only=True)
class ListChanged:
    """What was changed in the list of all sessions, and the cursor after it."""

    changes: Sequence[ChangedSession | DeletedSession]
    cursor: Cursor


@dataclass(frozen=True)
class Heartbeat:
    """Nothing has happened for a while."""


@dataclass(frozen=True)
class Stopping:
    """The manager goes down: come back with the cursor."""


Frame = EventsAdded | SessionChanged | SessionEnded | SessionDeleted | Heartbeat | Stopping
ListFrame = ListChanged | Heartbeat | Stopping
