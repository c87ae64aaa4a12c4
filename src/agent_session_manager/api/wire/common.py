"""The shapes that travel: what a body may hold, and what an answer looks like.

The OpenAPI document is made from these, and they only ever grow.
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

from agent_session_manager.domain.session import MAX_NAME_CHARS, MAX_PATH_BYTES, SESSION_ID


def to_text(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds: as text in the order of time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _fits_an_index(text: str) -> str:
    if len(text.encode()) > MAX_PATH_BYTES:
        raise ValueError(f"at most {MAX_PATH_BYTES} bytes")
    return text


def _parse_moment(value: Any) -> datetime:
    """ISO 8601 and nothing else: pydantic would also take seconds since 1970, as number or text."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("not a moment in ISO 8601") from None


MAX_FIELDS = 100
"""More than any body of ours has: each that is unknown costs time and memory to be refused."""

SessionId = Annotated[str, StringConstraints(pattern=f"^{SESSION_ID.pattern}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS)]
Path = Annotated[str, AfterValidator(_fits_an_index)]
Moment = Annotated[datetime, PlainSerializer(to_text, return_type=str)]
GivenMoment = Annotated[datetime, BeforeValidator(_parse_moment)]


class Given(BaseModel):
    """A body: unknown fields are refused, and nothing is turned into another type."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, value: Any) -> Any:
        if isinstance(value, dict) and len(value) > MAX_FIELDS:
            raise ValueError(f"there are more than {MAX_FIELDS} fields")
        return value


class HealthAnswer(BaseModel):
    service: str
    version: str
    instance: str


class ErrorAnswer(BaseModel):
    detail: str = Field(description="For people")
    code: str = Field(description="For programs; never changes")


class LeaseClaimBody(Given):
    holder: Name = Field(description="Names the process that drives the run; unique to it")


class LeaseBody(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    holder: str
    expires_at: Moment


class UsageBody(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    cost_microdollars: int = Field(
        description="Millionths of a US dollar, for all tokens but the unpriced ones"
    )
    unpriced_tokens: int = Field(
        description="Tokens of all kinds whose cost is unknown: 0 as cost then does not mean free"
    )
