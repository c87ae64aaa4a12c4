"""Events: immutable facts about a session. This module alone checks their shape.

An unknown `event_type` and unknown fields are stored unchanged. Known fields must have their
type, because every reader relies on it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from agent_session_manager.domain.errors import InvalidEventError
from agent_session_manager.domain.events.model_request import COUNTS, DETAILS, ModelRequest
from agent_session_manager.domain.events.question import ASKED, DECIDED, QuestionStep, question_step
from agent_session_manager.domain.sessions.session import MAX_NAME_CHARS, Reason, Usage, end_reason
from agent_shared.masking import MAX_COUNT

MAX_EVENTS_PER_APPEND = 1000
MAX_TYPE_CHARS = 100
MAX_EVENT_ID_CHARS = 200
MAX_REQUEST_ID_CHARS = 200
MAX_USAGE = 10**12
"""Maximum of one count in one event: the sum of millions of counts still fits 64 bits."""
NANODOLLARS = 1000
"""Nanodollars of a microdollar."""

THINKING_BLOCKS = frozenset({"thinking", "redacted_thinking"})
"""Types of the blocks of a message that are thinking."""
REQUEST_KEY = re.compile(r"[a-z][a-z0-9-]{0,31}:[^\x00-\x20]{1,256}")

SERVER_FIELDS = frozenset({"seq", "recorded_at", "late", "id"})
"""Fields that only the manager sets. Values that a caller sends for them are dropped."""
MANAGER_FIELDS = SERVER_FIELDS | {"event_type", "event_id", "run", "session_id"}
"""Fields of an answer that come from columns, and never from the stored fields."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEnd:
    """The end of a run, as its `session_stop` event reports it."""

    exit_code: int | None
    reason: Reason


class NewEvent(NamedTuple):
    """An event from a caller, before it has a `seq`.

    `fields` holds all fields that have no attribute here, unchanged. The class is a tuple because
    one is created for every event that arrives: a frozen dataclass takes twice as long.
    """

    event_type: str
    fields: dict[str, Any]
    event_id: str | None = None
    run: int | None = None
    is_answer: bool = False
    """True for an assistant message with text, except a subagent's.

    The newest answer of a run is the result of the run.
    """
    end: RunEnd | None = None
    usage: Usage | ModelRequest | None = None
    """The usage of one model request, or the agent's own total."""
    question: QuestionStep | None = None
    """The question that the event opens or closes."""
    masked_secrets: int = 0
    """Number of secrets that the sender or the manager has masked in this event."""
    notice_batch: str | None = None
    """The notices that the agent has heard, as this event shows, by the id of their batch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """A committed event. `seq` is its position in the session: 1, 2, 3, without gaps."""

    seq: int
    event_type: str
    event_id: str | None
    run: int
    late: bool
    recorded_at: datetime
    fields_json: str
    """All other fields, as the JSON object that is stored. Answers contain it as it is."""
    number: int = field(default=0, compare=False)
    """Position among the events of all sessions: ascending in commit order, with gaps."""

    @property
    def fields(self) -> dict[str, Any]:
        """The other fields, parsed again at each access."""
        parsed: dict[str, Any] = json.loads(self.fields_json)
        return parsed


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_KNOWN_FIELDS: dict[str, type] = {
    "session_id": str,
    "session_name": str,
    "timestamp": str,
    "tool_name": str,
    "tool_input": dict,
    "error": str,
    "reason": str,
    "role": str,
    "exit_code": int,
    "usage": dict,
    "masked_secrets": int,
    "notice_batch": str,
}
_TYPES_WITH_MEANING = frozenset({"message", "session_stop", "usage", ASKED, DECIDED})
"""Types of the events that can end or answer a run, count as usage, or open or close a question."""
_FIELDS_WITH_MEANING = frozenset({"run", "content", "exit_code", "masked_secrets", "notice_batch"})
"""Fields with which an event of any type means more to the manager, or is checked further."""
_KIND_NAMES = {str: "a string", dict: "an object", int: "an integer of 32 bits"}


def parse_event(value: Any, *, session_id: str, index: int | None = None) -> NewEvent:
    """Turn parsed JSON into an event of `session_id`.

    `index` is the event's position in a list, for the error message.

    Raises:
        InvalidEventError: the value is not an object, has no `event_type`, or a known field has
            the wrong type.
    """
    try:
        return _parse(value, session_id)
    except InvalidEventError as exc:
        raise InvalidEventError(exc.problem, index=index) from None


def _parse(value: Any, session_id: str) -> NewEvent:
    if not isinstance(value, dict):
        raise InvalidEventError("an event must be a JSON object")
    event_type = value.get("event_type")
    if not isinstance(event_type, str) or not 0 < len(event_type) <= MAX_TYPE_CHARS:
        raise InvalidEventError(
            f"event_type is required: a string of 1 to {MAX_TYPE_CHARS} characters"
        )
    fields = {}
    for name, given in value.items():
        kind = _KNOWN_FIELDS.get(name)
        # Compare exact types: a bool is an int in Python.
        if kind is not None and given is not None and type(given) is not kind:
            raise InvalidEventError(f"{name} must be {_KIND_NAMES[kind]}")
        if name not in MANAGER_FIELDS:
            fields[name] = given
    if value.get("session_id", session_id) not in (session_id, None):
        raise InvalidEventError(f"session_id must be {session_id!r} or absent")
    event = NewEvent(event_type, fields, _id(value, "event_id", MAX_EVENT_ID_CHARS))
    # Most events have no other meaning for the manager: they end here.
    if event_type not in _TYPES_WITH_MEANING and _FIELDS_WITH_MEANING.isdisjoint(value):
        return event
    if not -(2**31) <= (value.get("exit_code") or 0) < 2**31:
        raise InvalidEventError(f"exit_code must be {_KIND_NAMES[int]}")
    has_text = _has_text(value.get("content"))
    return event._replace(
        run=_run(value.get("run")),
        is_answer=has_text
        and event_type == "message"
        and value.get("role") == "assistant"
        and value.get("parent_tool_use_id") is None,
        end=_run_end(value) if event_type == "session_stop" else None,
        usage=_usage(value, session_id) if event_type == "usage" else None,
        question=question_step(event_type, value),
        masked_secrets=_masked(value.get("masked_secrets")),
        notice_batch=value.get("notice_batch"),
    )


def _id(event: dict[str, Any], name: str, most_chars: int) -> str | None:
    value = event.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= most_chars:
        raise InvalidEventError(f"{name} must be a string of 1 to {most_chars} characters")
    return value


def _run(value: Any) -> int | None:
    if value is None:
        return None
    if not _is_integer(value) or not 0 < value < 2**31:
        raise InvalidEventError("run must be a positive integer")
    return int(value)


def _masked(value: int | None) -> int:
    if value is not None and not 0 <= value <= MAX_COUNT:
        raise InvalidEventError(f"masked_secrets must be from 0 to {MAX_COUNT}")
    return value or 0


def _has_text(content: Any) -> bool:
    """Return whether `content` has a text block with text in it.

    Raises:
        InvalidEventError: `content` is not a list of blocks.
    """
    if content is None:
        return False
    if not isinstance(content, list):
        raise InvalidEventError("content must be a list of blocks")
    has_text = False
    for block in content:
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise InvalidEventError("each block of content must be an object with a type")
        if block["type"] == "text":
            if not isinstance(block.get("text"), str):
                raise InvalidEventError("a text block must have a string in text")
            has_text = has_text or bool(block["text"])
    return has_text


def _run_end(value: dict[str, Any]) -> RunEnd:
    exit_code = value.get("exit_code")
    return RunEnd(exit_code=exit_code, reason=end_reason(value.get("reason"), exit_code))


def _usage(event: dict[str, Any], session_id: str) -> Usage | ModelRequest:
    told = event.get("usage")
    if told is None:
        raise InvalidEventError("a usage event must have an object in usage")
    counts = {name: count for name in COUNTS if (count := _count(told, name)) is not None}
    cost = _count(told, "cost_microdollars")
    cost_nanodollars = None if cost is None else cost * NANODOLLARS
    request_id = _id(event, "request_id", MAX_REQUEST_ID_CHARS)
    request = ModelRequest(
        key=_request_key(event.get("request_key"), session_id, request_id),
        counts=counts,
        cost_nanodollars=cost_nanodollars,
        occurred_at=moment_of(event.get("timestamp")),
        details=details_of(event),
    )
    return request.usage(cost_nanodollars) if request_id is None else request


def _count(told: dict[str, Any], name: str) -> int | None:
    count = told.get(name)
    if count is not None and (not _is_integer(count) or not 0 <= count <= MAX_USAGE):
        raise InvalidEventError(f"usage.{name} must be an integer from 0 to {MAX_USAGE}")
    return count


def _request_key(given: Any, session_id: str, request_id: str | None) -> str:
    """Return the key of a request. The default cannot equal a given key: it begins with `/`."""
    if given is None:
        return f"/{session_id}/{request_id}"
    if not isinstance(given, str) or REQUEST_KEY.fullmatch(given) is None:
        raise InvalidEventError(
            "request_key must be the name of an agent's maker or program, a colon, and up to 256 "
            "characters without spaces"
        )
    return given


def moment_of(timestamp: str | None) -> datetime | None:
    """Return the moment in a text of ISO 8601; None if it is not one. The default zone is UTC."""
    try:
        moment = datetime.fromisoformat(timestamp or "")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def details_of(values: dict[str, Any]) -> dict[str, str]:
    """Return the details of a model request that are names."""
    return {
        name: detail
        for name in DETAILS
        if isinstance(detail := values.get(name), str) and 0 < len(detail) <= MAX_NAME_CHARS
    }


def is_prompt(event: NewEvent) -> bool:
    """Return whether a person wrote the event, as a prompt to the agent."""
    fields = event.fields
    return (
        event.event_type == "message"
        and fields.get("role") == "user"
        and fields.get("origin") is None
        and fields.get("parent_tool_use_id") is None
    )


def joined_text(fields: dict[str, Any]) -> str:
    """Return the text of a message: its text blocks, joined with line breaks."""
    blocks: Iterable[dict[str, Any]] = fields.get("content") or ()
    return "\n".join(block["text"] for block in blocks if block["type"] == "text")
