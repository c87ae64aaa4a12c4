"""Queries of sessions, events and questions: filters, sort orders and result pages."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from agent_session_manager.domain.events.event import Event
from agent_session_manager.domain.events.outline import Lane, OutlineEntry
from agent_session_manager.domain.sessions.attention import AttentionKind
from agent_session_manager.domain.sessions.run_token import RunCaller
from agent_session_manager.domain.sessions.session import Reason, Session, State, Status


class SessionSort(StrEnum):
    """The value by which a list is sorted."""

    CREATED = "created"
    ACTIVITY = "activity"
    """The time of the last activity."""
    NAME = "name"
    COST = "cost"
    TOOK = "took"
    """The durations of all ended runs."""


class Order(StrEnum):
    """The direction of an order: from the lowest to the highest value, or back."""

    ASCENDING = "asc"
    DESCENDING = "desc"


@dataclass(frozen=True, kw_only=True)
class SessionFilter:
    """Filter for a list of sessions. A field without a value does not filter."""

    session_id: str | None = None
    session_name: str | None = None
    project_dir: str | None = None
    agent_name: str | None = None
    """Name of its agent definition."""
    agent: str | None = None
    """Name of its agent definition, or else its executor."""
    status: Status | None = None
    parent_session_id: str | None = None
    id_prefix: str | None = None
    archived: bool | None = None
    executor: str | None = None
    state: tuple[State, ...] | None = None
    """In one of these states."""
    text: str | None = None
    """Part of its name, project, agent or id; not case-sensitive."""
    project: str | None = None
    """Part of its project's path; not case-sensitive."""
    top_level: bool | None = None
    """True: only sessions without a parent."""
    has_notices: bool | None = None
    """True: only sessions with undelivered notices."""
    attention: tuple[AttentionKind, ...] | None = None
    """Only sessions that expect one of these of a person."""
    since: datetime | None = None
    """Only with a last activity at this time or later."""
    until: datetime | None = None
    """Only with a last activity before this time."""
    host: str | None = None
    """The machine of its newest run."""
    reason: tuple[Reason, ...] | None = None
    """Only if its newest run ended in one of these ways."""
    model: str | None = None
    """Part of the name of its model; not case-sensitive."""
    cost_over: int | None = None
    """Only with a higher cost, in nanodollars."""
    denied: bool | None = None
    """True: only if calls of its newest run were denied."""
    family_of: RunCaller | None = None
    """Only the session of this run, and the sessions below it."""
    among: Set[int] | None = None
    """Only sessions with these numbers, which only a store knows."""


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """Filter for events: after `after_seq` ascending, or before `before_seq` descending."""

    after_seq: int | None = None
    before_seq: int | None = None
    event_type: str | None = None
    run: int | None = None
    has_error: bool | None = None
    """True: only events that have an `error`."""


@dataclass(frozen=True, kw_only=True)
class QuestionFilter:
    """Filter for open questions. A field without a value does not filter."""

    session_id: str | None = None
    family_of: RunCaller | None = None
    """Only of the session of this run, and of the sessions below it."""


Mark = tuple[str | int, ...]
"""The end of a page in a sort order: the sort values of its last session."""


@dataclass(frozen=True, kw_only=True)
class SessionPage:
    """A page of sorted sessions, and the mark after which the next page begins."""

    sessions: list[Session]
    next_page: Mark | None


@dataclass(frozen=True, kw_only=True)
class OpenQuestion:
    """An open question with its session."""

    question_id: str
    session_id: str
    session_name: str
    project_dir: str | None
    event: Event
    """The event that asks the question."""
    answer: dict[str, Any] | None
    """The payload of a person's answer, while the supervisor has not reported its decision."""
    answered_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class QuestionPage:
    """A page of open questions, the longest waiting first, and the mark of the next page."""

    questions: list[OpenQuestion]
    next_page: Mark | None


@dataclass(frozen=True, kw_only=True)
class EventPage:
    """A page of a session's events, and whether more follow in the requested direction."""

    events: list[Event]
    has_more: bool


@dataclass(frozen=True, kw_only=True)
class OutlinePage:
    """The outline of some events of a session, and whether the session has later ones."""

    entries: list[OutlineEntry]
    through: int
    """`seq` of the last event that was read for it."""
    messages: list[int]
    """`seq` of each message."""
    calls: list[int]
    """`seq` of each begin of a tool call."""
    commands: int
    """Number of calls among these events that run a command, and do not say what they change."""
    lanes: list[Lane]
    has_more: bool
