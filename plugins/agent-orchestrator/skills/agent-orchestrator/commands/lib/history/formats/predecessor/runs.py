"""Translates the messages of a session file into items.

They have the form that the executor for Claude sends. A message that has no id takes that of its
session and its line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...items import (
    BrokenRecord,
    BrokenRecordError,
    FoundEvent,
    Item,
    ModelRequest,
    TurnEnd,
    UnknownRecord,
)
from ..fields import (
    MAX_COUNT,
    MAX_ID_CHARS,
    Fields,
    Json,
    as_record,
    optional_id,
    optional_text,
    records,
    time_of_moment,
)
from .lines import Line
from .outline import Outline

_COUNTERS = {
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
    "cache_read_tokens": ("cache_read_input_tokens",),
    "cache_creation_tokens": ("cache_creation_input_tokens",),
    "cache_creation_1h_tokens": ("cache_creation", "ephemeral_1h_input_tokens"),
    "web_searches": ("server_tool_use", "web_search_requests"),
}
"""Our name of a counter, and its path in the usage of a result."""
_MAX_DOLLARS = 10**6


class Runs:
    """Reads the lines of one session in order."""

    def __init__(self, session_id: str, outline: Outline) -> None:
        self.session_id = session_id
        self._outline = outline
        self._run = -1
        self._message = 0
        self._model: str | None = None
        self._dollars = 0.0
        """The newest total cost that a result stated."""
        self._calls: dict[str, str] = {}
        """Names of open tool calls, by id."""

    def read(self, line: Line) -> Iterator[Item]:
        """Yield the items of one line."""
        if line.problem:
            yield BrokenRecord(place=f"line {line.number}", reason=line.problem)
            return
        if line.kind == "unknown":
            yield UnknownRecord(kind="unknown line")
            return
        if line.kind == "prompt" or self._run < 0:
            self._run, self._message = self._run + 1, 0
        if line.kind != "prompt":
            self._message += 1
        try:
            yield from list(self._items(line))
        except BrokenRecordError as error:
            yield BrokenRecord(place=f"line {line.number}", reason=str(error))

    def _items(self, line: Line) -> Iterator[Item]:
        match line.kind:
            case "prompt":
                words = optional_text(line.record, "content")
                if words:
                    content = _text(words)
                    yield self._event(line, "message", self._id(line), role="user", content=content)
            case "assistant":
                yield from self._assistant(line, _message(line.record))
            case "user":
                yield from self._user(line, _message(line.record))
            case "result":
                yield from self._result(line)

    def _assistant(self, line: Line, message: Fields) -> Iterator[Item]:
        self._model = optional_text(message, "model") or self._model
        blocks = records(message, "content")
        texts = [words for block in blocks if (words := _block_text(block))]
        if optional_text(line.record, "error"):
            content = _text("\n".join(texts))
            yield self._event(line, "diagnostic", self._id(line, "error"), content=content)
            return
        for index, block in enumerate(blocks):
            event_id = self._id(line, index)
            if thinking := optional_text(block, "thinking"):
                yield self._event(line, "thinking", event_id, content=_text(thinking))
            elif _block_text(block) and texts:
                content = [part for words in texts for part in _text(words)]
                texts = []
                yield self._event(line, "message", event_id, role="assistant", content=content)
            elif "tool_use_id" in block:
                yield self._post_tool(line, block)
            elif "name" in block:
                yield self._pre_tool(line, block)

    def _user(self, line: Line, message: Fields) -> Iterator[Item]:
        content = message.get("content")
        blocks: list[Fields] = (
            [{"text": content}] if isinstance(content, str) else records(message, "content")
        )
        words = "".join(_block_text(block) or "" for block in blocks)
        for block in blocks:
            if "tool_use_id" in block:
                yield self._post_tool(line, block)
        if words and not line.record.get("parent_tool_use_id"):
            yield self._event(
                line,
                "message",
                self._id(line, 0),
                role="user",
                origin="system",
                content=_text(words),
            )

    def _pre_tool(self, line: Line, block: Fields) -> Item:
        call_id, name = optional_id(block, "id"), optional_text(block, "name")
        if call_id is None or name is None:
            raise BrokenRecordError("a tool call has no id or no name")
        self._calls[call_id] = name
        arguments = block.get("input")
        return self._event(
            line,
            "pre_tool",
            f"{call_id}:pre",
            tool_name=name,
            tool_input=arguments if isinstance(arguments, dict) else {"input": arguments},
            tool_use_id=call_id,
        )

    def _post_tool(self, line: Line, block: Fields) -> Item:
        call_id, output = optional_id(block, "tool_use_id"), block.get("content")
        if call_id is None:
            raise BrokenRecordError("a tool result has no id")
        error = None
        if block.get("is_error") is True:
            error = (output if isinstance(output, str) else _texts(output)) or "the tool failed"
        return self._event(
            line,
            "post_tool",
            f"{call_id}:post",
            tool_name=self._calls.pop(call_id, None),
            tool_output=output,
            tool_use_id=call_id,
            error=error,
        )

    def _result(self, line: Line) -> Iterator[Item]:
        yield from self._usage(line)
        record = line.record
        subtype = optional_text(record, "subtype")
        if subtype == "success" and record.get("is_error") is not True:
            yield TurnEnd(session_id=self.session_id, reason="completed")
        else:
            error = optional_text(record, "result") or subtype
            yield TurnEnd(session_id=self.session_id, reason="failed", error=error)

    def _usage(self, line: Line) -> Iterator[Item]:
        """Yield the usage of a run. Its cost is the increase of the session's total."""
        counts = dict(_counts(line.record.get("usage")))
        dollars, cost = line.record.get("total_cost_usd"), None
        if isinstance(dollars, int | float) and 0 <= dollars <= _MAX_DOLLARS:
            increase = dollars - self._dollars if dollars >= self._dollars else dollars
            self._dollars, cost = dollars, round(increase * 10**9)
        if counts:
            yield ModelRequest(
                session_id=self.session_id,
                key=f"predecessor:{self.session_id}:{line.number}",
                counts=counts,
                occurred_at=self._time(),
                model=self._model,
                provider="anthropic",
                cost_nanodollars=cost,
            )

    def _id(self, line: Line, index: int | str = 0) -> str:
        """Return an event id: that of the executor for Claude if the message has an id."""
        found = line.record.get("uuid")
        if isinstance(found, str) and 0 < len(found) <= MAX_ID_CHARS:
            return f"{found}:{index}"
        return f"{self.session_id}:{line.number}:{index}"

    def _time(self) -> str | None:
        time = self._outline.time(self._run, self._message)
        return None if time is None else time_of_moment(time)

    def _event(self, line: Line, event_type: str, event_id: str, **fields: Any) -> Item:
        parent = optional_text(line.record, "parent_tool_use_id")
        timestamp = self._time()
        is_estimated = timestamp is not None and line.kind != "prompt"
        event = {
            "event_type": event_type,
            "event_id": event_id,
            "timestamp": timestamp,
            "timestamp_is_estimated": True if is_estimated else None,
            **fields,
            "parent_tool_use_id": parent,
        }
        return FoundEvent(
            session_id=self.session_id,
            event={key: value for key, value in event.items() if value is not None},
        )


def _message(record: Fields) -> Fields:
    """Return the message of a line. The oldest version has it under a key."""
    return as_record(record["message"], "message") if "message" in record else record


def _text(words: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": words}]


def _block_text(block: Fields) -> str | None:
    return optional_text(block, "text")


def _texts(content: Json) -> str:
    if not isinstance(content, list):
        return ""
    texts = [block.get("text") for block in content if isinstance(block, dict)]
    return "\n".join(words for words in texts if isinstance(words, str))


def _counts(usage: Json) -> Iterator[tuple[str, int]]:
    """Yield the known counts. A missing count is unknown, not 0."""
    for name, path in _COUNTERS.items():
        value = usage
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if type(value) is int and 0 <= value <= MAX_COUNT:
            yield name, value
