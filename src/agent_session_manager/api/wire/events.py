"""The shapes of events on the wire."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.wire.common import to_text
from agent_session_manager.domain.events.event import Event


class AppendedAnswer(BaseModel):
    ok: bool = True
    seqs: list[int] = Field(description="`seq` of each event, in the order of the request")


class TextBlock(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Type of the block")
    text: str | None = Field(default=None, description="Required in a block of the type `text`")


class NewEventBody(BaseModel):
    """An event as a client sends it. Unknown types and additional fields are stored unchanged."""

    model_config = ConfigDict(extra="allow")

    event_type: str = Field(description="Its type, 1 to 100 characters")
    event_id: str | None = Field(
        default=None, description="An id that was sent before returns the stored seq"
    )
    run: int | None = Field(default=None, description="Default: the newest run")
    session_id: str | None = Field(default=None, description="The id in the path, or absent")
    session_name: str | None = Field(default=None, description="Name of the session")
    timestamp: str | None = Field(default=None, description="Time of the client's clock")
    tool_name: str | None = Field(default=None, description="Name of the tool")
    tool_input: dict[str, Any] | None = Field(default=None, description="Input of the tool")
    tool_output: Any = Field(default=None, description="Output of the tool")
    error: str | None = Field(default=None, description="Error text")
    exit_code: int | None = Field(default=None, description="Exit code of the run, 32 bits")
    reason: str | None = Field(default=None, description="Reason for the end of the run")
    role: str | None = Field(default=None, description="Author of a message")
    content: list[TextBlock] | None = Field(default=None, description="Blocks of a message")
    occurred_at: str | None = Field(
        default=None, description="Time at which it happened; in imported events"
    )
    masked_secrets: int | None = Field(
        default=None, description="Number of secrets in its texts that were masked"
    )


class EventBody(NewEventBody):
    seq: int = Field(description="Position in the session: 1, 2, 3 …, without gaps")
    recorded_at: str = Field(description="Time at which the manager stored it")
    late: bool = Field(description="The event arrived when its run was no longer the newest")


class EventsAnswer(BaseModel):
    events: list[EventBody] = Field(description="In the requested order")
    has_more: bool = Field(description="Whether there are more in the same direction")


def event_to_json(event: Event, session_id: str) -> bytes:
    """Put the manager's keys before the stored fields, which are not parsed.

    `parse_event` removes these keys from the fields, so none occurs twice.
    """
    own = orjson.dumps(manager_fields(event, session_id))
    stored = event.fields_json
    return own if stored == "{}" else own[:-1] + b"," + stored[1:].encode()


def manager_fields(event: Event, session_id: str) -> dict[str, Any]:
    """Return the fields of an event that only the manager sets."""
    return {
        "seq": event.seq,
        "event_type": event.event_type,
        "session_id": session_id,
        "event_id": event.event_id,
        "run": event.run,
        "late": event.late,
        "recorded_at": to_text(event.recorded_at),
    }
