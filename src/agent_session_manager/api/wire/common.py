"""Shapes that several modules share: request bodies and responses.

The OpenAPI document is generated from the shapes. They may gain fields, but never lose any.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

from agent_session_manager.domain.sessions.session import MAX_NAME_CHARS, MAX_PATH_BYTES, SESSION_ID
from agent_session_manager.store.search import IndexState


def to_text(moment: datetime) -> str:
    """Format a time in UTC as ISO 8601 with microseconds; the texts sort by time."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _fits_an_index(text: str) -> str:
    if len(text.encode()) > MAX_PATH_BYTES:
        raise ValueError(f"at most {MAX_PATH_BYTES} bytes")
    return text


def _parse_moment(value: Any) -> datetime:
    """Parse ISO 8601 only; pydantic would also accept seconds since 1970, as number or text."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("not a date and time in ISO 8601") from None


MAX_FIELDS = 100
"""More than any valid body has. Refusing an unknown field costs time and memory."""

SessionId = Annotated[str, StringConstraints(pattern=f"^{SESSION_ID.pattern}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS)]
Path = Annotated[str, AfterValidator(_fits_an_index)]
Moment = Annotated[datetime, PlainSerializer(to_text, return_type=str)]
GivenMoment = Annotated[datetime, BeforeValidator(_parse_moment)]


class Given(BaseModel):
    """Base of request bodies: unknown fields are refused, and types are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, value: Any) -> Any:
        if isinstance(value, dict) and len(value) > MAX_FIELDS:
            raise ValueError(f"more than {MAX_FIELDS} fields")
        return value


class HealthAnswer(BaseModel):
    service: str = Field(description="Always `agent-session-manager`")
    version: str = Field(description="Version of the manager")
    instance: str = Field(description="Id of this process of the manager; new after a restart")
    search_index: IndexState = Field(
        description="`current`, `behind` the record, `paused` because the disk is nearly full, "
        "or `failing`: the last step failed"
    )


class ReadyAnswer(BaseModel):
    ready: bool = Field(description="Always true: a manager that cannot serve answers 503")


class ErrorAnswer(BaseModel):
    detail: str = Field(description="For people")
    code: str = Field(description="For programs; never changes")


class LeaseClaimBody(Given):
    holder: Name = Field(description="Names the process that drives the run; unique to it")


class LeaseBody(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    holder: str = Field(description="The process that drives the run")
    expires_at: Moment = Field(description="End of the lease, if it is not renewed")


class UsageBody(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    input_tokens: int = Field(description="Tokens that models read, without the cache")
    output_tokens: int = Field(description="Tokens that models wrote")
    cache_read_tokens: int = Field(description="Tokens that models read from the cache")
    cache_creation_tokens: int = Field(description="Tokens that models wrote to the cache")
    cache_creation_1h_tokens: int = Field(
        description="Those of the cache creation tokens that the cache keeps for an hour"
    )
    reasoning_tokens: int = Field(description="Those of the output tokens that are reasoning")
    web_searches: int = Field(description="Number of web searches of models")
    cost_microdollars: int = Field(
        description="Millionths of a US dollar, for all tokens but the unpriced ones"
    )
    cost_nanodollars: int = Field(description="The same cost in billionths, exactly")
    unpriced_tokens: int = Field(
        description="Tokens of all kinds with unknown cost; the cost does not include them"
    )


def dump(model: BaseModel) -> bytes:
    """Return a shape as JSON."""
    return model.__pydantic_serializer__.to_json(model)
