"""The shapes of imported history on the wire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from agent_session_manager.api.wire.common import (
    Given,
    GivenMoment,
    LeaseClaimBody,
    Name,
    Path,
    SessionId,
)
from agent_session_manager.api.wire.events import NewEventBody
from agent_session_manager.domain.events.event import MAX_EVENTS_PER_APPEND, MAX_USAGE, REQUEST_KEY
from agent_session_manager.domain.events.model_request import COUNTS, DETAILS, ModelRequest
from agent_session_manager.domain.sessions.session import ForkPoint, Reason, Source
from agent_session_manager.store.history import PlacedRequest

MAX_REQUESTS = 1000
MAX_COST_NANODOLLARS = 1000 * MAX_USAGE

_Count = Annotated[int, Field(ge=0, le=MAX_USAGE)]
_EventId = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class GivenSource(Given):
    format: Name = Field(description="Name of the format")
    path: Annotated[str, StringConstraints(min_length=1, max_length=4096)] = Field(
        description="Path of the file on this machine"
    )
    gone: bool = Field(default=False, description="True if the file no longer exists")


class GivenForkPoint(Given):
    session_id: SessionId = Field(description="The session that was copied")
    event_id: _EventId | None = Field(default=None, description="Its last copied event, if known")


class GivenCounts(Given):
    """The known counts of a request."""

    input_tokens: _Count | None = Field(default=None, description="Without cached tokens")
    output_tokens: _Count | None = Field(default=None, description="With reasoning")
    cache_read_tokens: _Count | None = Field(default=None, description="Read from the cache")
    cache_creation_tokens: _Count | None = Field(default=None, description="Written to the cache")
    cache_creation_1h_tokens: _Count | None = Field(
        default=None, description="Those of them that the cache keeps for an hour"
    )
    reasoning_tokens: _Count | None = Field(
        default=None, description="Those of the output tokens that are reasoning"
    )
    web_searches: _Count | None = Field(default=None, description="Number of web searches")


class GivenModelRequest(Given):
    key: Annotated[str, StringConstraints(pattern=f"^{REQUEST_KEY.pattern}$")] = Field(
        description="Identifies the request over all sessions, such as `claude:MESSAGE_ID`"
    )
    place: int = Field(
        ge=0, le=MAX_EVENTS_PER_APPEND, description="Number of events of this body before it"
    )
    counts: GivenCounts = Field(description="The known counts")
    cost_nanodollars: Annotated[int, Field(ge=0, le=MAX_COST_NANODOLLARS)] | None = Field(
        default=None, description="The agent's own figure"
    )
    occurred_at: GivenMoment | None = Field(default=None, description="Time of the request")
    provider: Name | None = Field(default=None, description="Maker of the model")
    model: Name | None = Field(default=None, description="Its model")
    service_tier: Name | None = Field(default=None, description="Its service tier")
    speed: Name | None = Field(default=None, description="Its speed")
    inference_geo: Name | None = Field(default=None, description="Where the model ran")
    inherited: bool = Field(
        default=False, description="True if the record was copied from the session that made it"
    )


class HistoryBody(Given):
    begins: bool = Field(
        description="True: the source was read from its beginning; false: the session must exist"
    )
    executor: Name = Field(description="Kind of its agent, such as `claude`")
    host: Name | None = Field(default=None, description="The machine of the source")
    project_dir: Path | None = Field(default=None, description="Directory of its project")
    title: Name | None = Field(default=None, description="Its title in the source")
    parent_session_id: SessionId | None = Field(
        default=None, description="Session from inside which the agent started it"
    )
    forked_from: GivenForkPoint | None = Field(
        default=None, description="The session whose events it begins with"
    )
    source: GivenSource | None = Field(default=None, description="The file that was read")
    events: list[Any] = Field(
        default_factory=list,
        max_length=MAX_EVENTS_PER_APPEND,
        description="Events with an `event_id`, oldest first; copied ones have `inherited: true`",
        json_schema_extra={"items": {"$ref": f"#/components/schemas/{NewEventBody.__name__}"}},
    )
    requests: list[GivenModelRequest] = Field(
        default_factory=list, max_length=MAX_REQUESTS, description="Usage of model requests"
    )
    reason: Literal["completed", "failed", "stopped", "unknown"] | None = Field(
        default=None,
        description="End of the newest turn; `unknown` if it has none yet: the session is then "
        "`lost`, unless a process works on it; null changes nothing",
    )
    lease: LeaseClaimBody | None = Field(
        default=None,
        description="Only with the reason `unknown`: the process that works on the newest turn. "
        "The run is open until the end of the turn is imported or the lease expires",
    )

    @model_validator(mode="after")
    def _has_a_lease_only_without_an_end(self) -> Self:
        if self.lease is not None and self.reason != "unknown":
            raise ValueError("a lease needs the reason unknown: a turn with an end is not open")
        return self


class HistoryAnswer(BaseModel):
    ok: bool = True
    created: bool = Field(description="True if the import created the session")
    new_events: int = Field(description="Number of events that were not stored yet")
    new_requests: int = Field(description="Number of requests that no session had reported yet")
    last_seq: int = Field(description="`seq` of the newest event of the session")
    lease_seconds: float | None = Field(
        description="Duration of the lease, if this opened the run or renewed it; send a part with "
        "the `lease` again before it expires"
    )


def source_of(given: GivenSource | None) -> Source | None:
    if given is None:
        return None
    return Source(format=given.format, path=given.path, is_gone=given.gone)


def fork_of(given: GivenForkPoint | None) -> ForkPoint | None:
    if given is None:
        return None
    return ForkPoint(session_id=given.session_id, event_id=given.event_id)


def reason_of(given: str | None) -> Reason | None:
    if given is None:
        return None
    return Reason.LOST if given == "unknown" else Reason(given)


def request_of(given: GivenModelRequest) -> PlacedRequest:
    request = ModelRequest(
        key=given.key,
        counts=_known(given.counts, COUNTS),
        cost_nanodollars=given.cost_nanodollars,
        occurred_at=given.occurred_at,
        details=_known(given, DETAILS),
        is_inherited=given.inherited,
    )
    return PlacedRequest(request=request, place=given.place)


def _known(given: Given, names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(given, name)) is not None}
