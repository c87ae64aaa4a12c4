"""What can be asked of the record: filters, orders, and pages of what is found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agent_session_manager.domain.event import Event
from agent_session_manager.domain.run_token import RunCaller
from agent_session_manager.domain.session import Session, State, Status


class SessionSort(StrEnum):
    """The order of a list."""

    CREATED = "created"
    """The newest first."""
    ACTIVITY = "activity"
    """What was changed last first."""
    NAME = "name"
    COST = "cost"
    """The dearest first."""


@dataclass(frozen=True, kw_only=True)
class SessionFilter:
    """Which sessions to list. What is None does not filter."""

    session_name: str | None = None
    project_dir: str | None = None
    agent_name: str | None = None
    status: Status | None = None
    parent_session_id: str | None = None
    id_prefix: str | None = None
    archived: bool | None = None
    executor: str | None = None
    state: State | None = None
    text: str | None = None
    """Some part of its name, project, agent or id, in small letters or large ones."""
    project: str | None = None
    """Some part of its project's path, in small letters or large ones."""
    top_level: bool | None = None
    """Whether it was started from inside no other session."""
    family_of: RunCaller | None = None
    """Only the session of this run, and what is below it."""


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """Which events to read: past `after_seq` going up, or before `before_seq` going down."""

    after_seq: int | None = None
    before_seq: int | None = None
    event_type: str | None = None
    run: int | None = None
    has_error: bool | None = None
    """True: only those that have an `error`."""


Mark = tuple[str | int, ...]
"""Where in an order a page has ended: the sorted values of its last session."""


@dataclass(frozen=True, kw_only=True)
class SessionPage:
    """Some sessions in an order, and the mark after which the next page begins."""

    sessions: list[Session]
    next_page: Mark | None


@dataclass(frozen=True, kw_only=True)
class EventPage:
    """Some events of a session, and whether there are more in the direction that was asked for."""

    events: list[Event]
    has_more: bool
