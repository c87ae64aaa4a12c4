"""Frames: the messages of feeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.session import Session
from agent_session_manager.feed.tail import Batch
from agent_session_manager.store.feeds import ChangedSession, DeletedSession


@dataclass(frozen=True, kw_only=True)
class EventsAdded:
    """The next events for the reader, in order, and the generation of their cursors."""

    batch: Batch
    generation: str


@dataclass(frozen=True, kw_only=True)
class SessionChanged:
    """The current session: the first frame, and sent when more than its events has changed."""

    session: Session


@dataclass(frozen=True, kw_only=True)
class SessionEnded:
    """The session is finished, and the reader has all its events."""

    session: Session


@dataclass(frozen=True, kw_only=True)
class SessionDeleted:
    """The session was deleted; a new session may have its id."""

    session_id: str


@dataclass(frozen=True, kw_only=True)
class ListChanged:
    """Changes in the list of all sessions, and the cursor after them."""

    changes: Sequence[ChangedSession | DeletedSession]
    cursor: Cursor


@dataclass(frozen=True)
class Heartbeat:
    """There was no change for a while."""


@dataclass(frozen=True)
class Stopping:
    """The manager stops. The reader can reconnect with its cursor."""


Frame = EventsAdded | SessionChanged | SessionEnded | SessionDeleted | Heartbeat | Stopping
ListFrame = ListChanged | Heartbeat | Stopping
