"""Importing the history of a session that an agent keeps in files of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agent_session_manager.domain.events.event import NewEvent
from agent_session_manager.domain.events.model_request import ModelRequest
from agent_session_manager.domain.sessions.session import ForkPoint, Reason, Source
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
    lease_seconds: float | None = None
    """Duration of the lease that the import took or renewed, if it did."""


@dataclass(frozen=True, kw_only=True)
class ImportHistory(SessionChange[ImportedHistory]):
    """Import a part of a session's history: create the session, or add to it.

    Events and requests that are stored already are skipped, so an import can be repeated. New
    events belong to a run of their own. If the session also has runs that a client drove, events
    without a prompt of a person before them belong to the run of the event before them.

    With a `holder`, the run is open as long as its newest turn has no end and the lease is renewed,
    by further imports with a holder.

    Refused while a client drives a run of the session. A session that does not exist is created
    only if the source is read from its beginning: otherwise it was deleted.
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
    """The end of the newest turn; `lost` if it has none yet. None: the source does not say."""
    holder: str | None = None
    """The process that works on a turn without an end."""

    @property
    def is_renewal(self) -> bool:
        """True if it only takes or renews a lease, and adds nothing."""
        facts = (self.project_dir, self.title, self.parent_session_id, self.forked_from)
        has_facts = any(fact is not None for fact in (*facts, self.source))
        return self.holder is not None and not (self.events or self.requests or has_facts)
