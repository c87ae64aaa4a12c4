"""Frames: the messages of feeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent_session_manager.domain.events.event import Event
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.store.feeds import Changes


@dataclass(kw_only=True, slots=True)
class News:
    """The session and its next events, in order, shared by all readers with the same cursor."""

    session: Session
    facts: Session
    """The session without the fields that events and lease renewals change."""
    events: Sequence[Event] = ()
    encoded: bytes | None = field(default=None, init=False)
    """The bytes of the events. The first reader encodes them for all."""


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


@dataclass(frozen=True)
class Heartbeat:
    """There was no change for a while."""


@dataclass(frozen=True)
class Stopping:
    """The manager stops. The reader can reconnect with its cursor."""


Frame = News | SessionChanged | SessionEnded | SessionDeleted | Heartbeat | Stopping
ListFrame = Changes | Heartbeat | Stopping
