"""The shapes of events on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.wire.common import to_text
from agent_session_manager.domain.event import Event


class AppendedAnswer(BaseModel):
    ok: bool = True
    seqs: list[int]


class TextBlock(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: str
    text: str | None = None


class NewEventBody(BaseModel):
    """An event as a caller gives it. Unknown types and further fields are kept as they came."""

    model_config = ConfigDict(extra="allow")

    event_type: str
    event_id: str | None = Field(
        default=None, description="Sending it again answers with the stored seq"
    )
    run: int | None = Field(default=None, description="Default: the newest run")
    session_id: str | None = None
    session_name: str | None = None
    timestamp: str | None = None
    tool_name: str | None = None
    tool_input: dict[str, Any] | None = None
    tool_output: Any = None
    error: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    role: str | None = None
    content: list[TextBlock] | None = None
    masked_secrets: int | None = Field(
        default=None, description="Secrets in its texts that were replaced by a mask"
    )


class EventBody(NewEventBody):
    seq: int
    recorded_at: str
    late: bool = Field(description="It came when its run was not the newest any more")


class EventsAnswer(BaseModel):
    events: list[EventBody]
    has_more: bool


def event_to_wire(event: Event, session_id: str) -> dict[str, Any]:
    """The event's own fields, flat, under what the manager knows of it."""
    return {
        **event.fields,
        "seq": event.seq,
        "event_type": event.event_type,
        "session_id": session_id,
        "event_id": event.event_id,
        "run": event.run,
        "late": event.late,
        "recorded_at": to_text(event.recorded_at),
    }
