"""The items that formats read from the files of agents. They are the same for all formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, NamedTuple

from ..events.event import Event


class TitleRank(IntEnum):
    """Source of a title. A title replaces one of the same or a lower rank."""

    PROMPT = 1
    """The beginning of the first text that a person wrote."""
    SUMMARY = 2
    GENERATED = 3
    """Made by the agent for this purpose."""
    CHOSEN = 4
    """Given by a person."""


class Title(NamedTuple):
    """A title of a session: one line of text."""

    rank: TitleRank
    text: str


class ForkPoint(NamedTuple):
    """The session that was copied, and its last copied event if the source names it."""

    session_id: str
    event_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionFacts:
    """Facts about a session. None: the source says nothing; a later fact replaces an earlier one.

    A format yields it when it reads something new about the session, and before its first event.
    """

    session_id: str
    """The agent's own id. It has the form of a session id (`[A-Za-z0-9][A-Za-z0-9._:-]{0,127}`)."""
    project_dir: str | None = None
    title: Title | None = None
    parent_session_id: str | None = None
    """The session from inside which the agent started the session."""
    forked_from: ForkPoint | None = None
    agent_version: str | None = None
    agent_name: str | None = None
    """The agent definition with which the session was started."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundEvent:
    """An event of a session, in the form in which the executors send events.

    It has `event_type`, `event_id` and `timestamp` (ISO 8601 in UTC with a `Z`; left out if the
    source has no time). The event id is made of ids that stand in the source. So reading a record
    again, also from a copy of the source, gives the same id.
    """

    session_id: str
    event: Event
    is_inherited: bool = False
    """True if the record was copied from the session that was forked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRequest:
    """Usage of one model request. Records of the same request have the same key.

    A later record raises the counts to their maximum, and adds nothing.
    """

    session_id: str
    key: str
    """Identifies the request over all sessions and machines, such as `claude:MESSAGE_ID`."""
    counts: Mapping[str, int]
    """The known counts. Names: `input_tokens` (without cached ones),
    `output_tokens` (with reasoning), `cache_read_tokens`, `cache_creation_tokens` (all),
    `cache_creation_1h_tokens` (part of these), `reasoning_tokens` (part of the output),
    `web_searches`."""
    occurred_at: str | None = None
    model: str | None = None
    provider: str | None = None
    cost_nanodollars: int | None = None
    """The agent's own figure. None: unknown."""
    details: Mapping[str, str] = field(default_factory=dict)
    """`service_tier`, `speed` and `inference_geo`, as far as known."""
    is_inherited: bool = False
    """True if another session made the request."""
    is_cut: bool = False
    """True if the answer was interrupted: the agent made more output than it has counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnEnd:
    """The end of the newest turn of a session. A later prompt of a person begins a new turn.

    A turn without this item has no end yet.
    """

    session_id: str
    reason: Literal["completed", "failed", "stopped", "unknown"]
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class UnknownRecord:
    """A record of a kind that the format does not know. It is counted by kind."""

    kind: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokenRecord:
    """A record that cannot be read, of a source that is read as a whole."""

    place: str
    """Its place in the source, such as `line 3` or `message msg_1`."""
    reason: str


Item = SessionFacts | FoundEvent | ModelRequest | TurnEnd | UnknownRecord | BrokenRecord


class BrokenRecordError(ValueError):
    """A record that cannot be read; the text says why. The records after it can be read."""
