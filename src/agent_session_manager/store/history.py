"""Importing the history of a session that an agent keeps in files of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agent_session_manager.domain.event import NewEvent
from agent_session_manager.domain.model_request import ModelRequest
from agent_session_manager.domain.session import ForkPoint, Reason, Source
from agent_session_manager.store.change import SessionChange


@dataclass(frozen=True, kw_only=True)
class PlacedRequest:
    """A model request, and the number of events of the import before it."""

    request: ModelRequest
    place: int


@dataclass(frozen=True, kw_only=True)
class ImportedHistory:
    """The outcome of an import."""

    is_new: bool
    """True if the import created the session."""
    events: int
    """Number of events that were not stored yet."""
    requests: int
    """Number of model requests that no session had reported yet."""
    last_seq: int


@dataclass(frozen=True, kw_only=True)
class ImportHistory(SessionChange[ImportedHistory]):
    """Import a part of a session's history: create the session, or add to it.

    Events and requests that are stored already are skipped, so an import can be repeated. New
    events belong to a run of their own. If the session also has runs that a client drove, events
    without a prompt of a person before them belong to the run of the event before them.

    Refused while a run of the session is open. A session that does not exist is created only if the
    source is read from its beginning: otherwise it was deleted.
    """

    is_beginning: bool
    executor: str
    host: str | None = None
    project_dir: str | None = None
    title: str | None = None
    parent_session_id: str | None = None
    forked_from: ForkPoint | None = None
    source: Source | None = None
    events: Sequence[NewEvent] = ()
    """Each has an `event_id`."""
    moments: Sequence[datetime | None] = ()
    """The time of each event, if its source has one."""
    requests: Sequence[PlacedRequest] = ()
    reason: Reason | None = None
    """The end of the newest turn; `lost` if it is unknown. None: the source does not say."""
