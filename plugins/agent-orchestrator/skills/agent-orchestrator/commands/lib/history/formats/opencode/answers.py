"""Translates the common fields of both generations: calls, texts, usage and ends of turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from ....events.cut_text import join_texts
from ....events.event import Event
from ....events.prepare import text_content
from ...items import FoundEvent, ModelRequest, TurnEnd
from ..fields import (
    Fields,
    Json,
    count_of,
    event,
    fields_of,
    known_counts,
    list_of,
    nanodollars_of,
    request_key,
    text_of,
    time_of_milliseconds,
)

INVALID_TOOL = "invalid"
"""The tool that opencode puts in the place of a call that it cannot make."""
_OPEN_FINISHES = ("tool-calls", "unknown")
"""Reasons of the model to end an answer, after which the turn continues."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """The session whose messages are read."""

    session_id: str
    created: Json
    """Milliseconds since 1970."""

    def is_copied(self, data: Fields) -> bool:
        """Return whether a message was copied from the session that was forked.

        opencode gives copies new ids and keeps their times, so a copy is older than its session.
        """
        return _is_number(self.created) and 0 < milliseconds_of(data) < self.created

    def found(self, found: Event, data: Fields) -> FoundEvent:
        """Return an event of a message."""
        return FoundEvent(
            session_id=self.session_id, event=found, is_inherited=self.is_copied(data)
        )


def _is_number(value: Json) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def milliseconds_of(data: Fields) -> float:
    """Return the time of a message for comparisons; 0 is unknown."""
    created = fields_of(data.get("time")).get("created")
    return created if _is_number(created) else 0


def created_at(data: Fields) -> str | None:
    """Return the time of a message."""
    return time_of_milliseconds(fields_of(data.get("time")).get("created"))


def is_complete(data: Fields) -> bool:
    """Return whether an answer has ended. Until then it changes."""
    return _is_number(fields_of(data.get("time")).get("completed"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A tool call in an answer."""

    event_id: str
    tool_use_id: str
    name: str
    state: Fields
    started_at: str | None
    ended_at: str | None

    def events(self) -> Iterator[Event]:
        """Yield the events of a call. A call that did not end has an error."""
        output = _output(self.state)
        yield event(
            "pre_tool",
            f"{self.event_id}:pre",
            self.started_at,
            tool_name=self.name,
            tool_input=fields_of(self.state.get("input")),
            tool_use_id=self.tool_use_id,
        )
        yield event(
            "post_tool",
            f"{self.event_id}:post",
            self.ended_at or self.started_at,
            tool_name=self.name,
            tool_output=output,
            tool_use_id=self.tool_use_id,
            error=self._error(text_of(output)),
        )

    def _error(self, output: str | None) -> str | None:
        match self.state.get("status"):
            case "completed" if self.name == INVALID_TOOL:
                reason = text_of(fields_of(self.state.get("input")).get("error"))
                return reason or output or "the tool call was not valid"
            case "completed":
                code = fields_of(self.state.get("metadata")).get("exit")
                return f"exit code {code}" if _is_number(code) and code != 0 else None
            case "error":
                return error_text(self.state.get("error")) or output or "the tool failed"
            case _:
                return "the call did not end"


def _output(state: Fields) -> Json:
    """Return the output of a call: a text if all of it is text."""
    if state.get("output") is not None:
        return state["output"]
    content = list_of(state.get("content"))
    texts = [text for block in content if isinstance(text := fields_of(block).get("text"), str)]
    if texts and len(texts) == len(content):
        return join_texts(texts)
    return content or None


def error_text(error: Json) -> str | None:
    """Return the text of an error: a text, `{message}` or `{name, data: {message}}`."""
    found = fields_of(error)
    texts = (error, found.get("message"), fields_of(found.get("data")).get("message"))
    names = (found.get("name"), found.get("type"))
    return next((text for text in map(text_of, (*texts, *names)) if text), None)


def spoken(event_id: str, at: str | None, content: Fields, said: Fields) -> Event:
    """Return the event of a text or of reasoning. `said` has the fields of a message."""
    blocks = text_content(content["text"])
    if content["type"] == "reasoning":
        return event("thinking", event_id, at, content=blocks)
    return event("message", event_id, at, content=blocks, **said)


def model_request(
    conversation: Conversation,
    message_id: str,
    data: Fields,
    model: Mapping[str, Json],
    *,
    is_cut: bool,
) -> ModelRequest | None:
    """Return the usage of an answer, or None if no request was made for it.

    A copy in a fork is no request: it has another id, so that it would count again. The model is
    `{id, providerID}`.
    """
    if conversation.is_copied(data):
        return None
    tokens = fields_of(data.get("tokens"))
    cache = fields_of(tokens.get("cache"))
    counts = known_counts(
        input_tokens=count_of(tokens.get("input")),
        output_tokens=_output_tokens(tokens),
        cache_read_tokens=count_of(cache.get("read")),
        cache_creation_tokens=count_of(cache.get("write")),
        reasoning_tokens=count_of(tokens.get("reasoning")),
    )
    cost = nanodollars_of(data.get("cost"))
    if not any(counts.values()) and cost is None:
        return None
    return ModelRequest(
        session_id=conversation.session_id,
        key=request_key("opencode", message_id),
        counts=counts,
        occurred_at=created_at(data),
        model=text_of(model.get("id")),
        provider=text_of(model.get("providerID")),
        cost_nanodollars=cost,
        is_cut=is_cut or _is_abort(data.get("error")),
    )


def _output_tokens(tokens: Fields) -> int | None:
    """Return the output with reasoning.

    The stored output is without reasoning, unless the total shows that reasoning is part of it.
    """
    output, reasoning = count_of(tokens.get("output")), count_of(tokens.get("reasoning"))
    if output is None or not reasoning:
        return output
    cache = fields_of(tokens.get("cache"))
    others = (tokens.get("input"), cache.get("read"), cache.get("write"))
    without_reasoning = output + sum(count_of(count) or 0 for count in others)
    return output if tokens.get("total") == without_reasoning else output + reasoning


def turn_end(session_id: str, data: Fields) -> TurnEnd | None:
    """Return the end of a turn if the answer ended it."""
    error, finish = data.get("error"), text_of(data.get("finish"))
    if error:
        reason = error_text(error) or "unknown error"
        if _is_abort(error):
            return TurnEnd(session_id=session_id, reason="stopped", error=reason)
        return TurnEnd(session_id=session_id, reason="failed", error=reason)
    if finish == "error":
        return TurnEnd(session_id=session_id, reason="failed")
    if finish and finish not in _OPEN_FINISHES:
        return TurnEnd(session_id=session_id, reason="completed")
    return None


def _is_abort(error: Json) -> bool:
    found = fields_of(error)
    return "abort" in str(found.get("name") or found.get("type") or "").lower()


def file_block(file: Fields) -> dict[str, Json]:
    """Return the block of a file in a prompt, without its content."""
    name = text_of(file.get("filename")) or text_of(file.get("name"))
    block = {"type": "file", "name": name, "media_type": text_of(file.get("mime"))}
    return {key: value for key, value in block.items() if value is not None}
