"""The searchable texts of an event, and the values by which it can be filtered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from agent_session_manager.domain.events.event import THINKING_BLOCKS, moment_of
from agent_session_manager.domain.events.question import ASKED, DECIDED

EXTRACTOR = 3
"""Version of this module, `words.py` and `parts.py`. A new version makes an index begin again."""
FIRST_CHARS = 96 * 1024
LAST_CHARS = 32 * 1024
"""The beginning and the end of a longer text are searched."""
MAX_FILES = 20
"""Maximum number of files of an event."""


class Kind(StrEnum):
    """The kind of a text."""

    MESSAGE = "message"
    THINKING = "thinking"
    TOOL_INPUT = "tool_input"
    TOOL_OUTPUT = "tool_output"
    ERROR = "error"
    NOTE = "note"
    """Diagnostics, stderr, and events of other types."""


class EventText(NamedTuple):
    """A text of an event. A tuple, because one is created for every event."""

    kind: Kind
    text: str
    occurred_at: datetime | None
    """The client's time; None if it is not valid."""
    tool_name: str | None = None
    has_error: bool = False
    files: tuple[str, ...] = ()
    """Paths in a tool's input, as the agent wrote them."""


_KINDS = {
    "message": Kind.MESSAGE,
    "thinking": Kind.THINKING,
    "pre_tool": Kind.TOOL_INPUT,
    "post_tool": Kind.TOOL_OUTPUT,
    "permission_denied": Kind.ERROR,
    "retry": Kind.ERROR,
    "session_stop": Kind.ERROR,
    "damaged": Kind.ERROR,
}
_WITHOUT_TEXT = frozenset({"usage", "conversation", "session_start"})
_OF_QUESTIONS = {ASKED: ("title", "why", "items"), DECIDED: ("text", "answers")}
"""The texts of the events of questions. The call itself has an event with its input."""
_OF_SYSTEM = "system"
"""Origin of user messages that the agent's program wrote."""
_TEXTS = ("content", "description", "tool_output", "error")
_FIRST_INPUTS = ("file_path", "path", "command", "pattern", "query", "url")
_PATHS = frozenset(
    {
        *("file_path", "filePath", "absolute_path", "notebook_path", "path", "paths", "file"),
        *("files", "filename", "target_file", "relative_workspace_path"),
    }
)
_PATCHED = re.compile(r"^\*\*\* (?:(?:Add|Update|Delete) File|Move to): (.+)$", re.MULTILINE)
_MAX_PATH_CHARS = 1000
_ENCODED = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,", re.ASCII)
_MEDIA = frozenset({"media_type", "mimeType", "mime_type", "mediaType"})
_NAMES = frozenset({"type", "id", "signature", "tool_use_id"})
"""Values of blocks that are not text."""


MAX_TEXTS = 2
"""Maximum number of texts of an event."""


def extract(event_type: str, fields: dict[str, Any]) -> list[EventText]:
    """Return the texts of an event: most have one, and thinking in a message is one of its own.

    The fields can have any content: earlier versions and other programs may have stored them.
    """
    if event_type in _WITHOUT_TEXT or fields.get("inherited") is True:
        return []
    if fields.get("origin") == _OF_SYSTEM:
        return []
    if event_type in _OF_QUESTIONS:
        fields = {
            "timestamp": fields.get("timestamp"),
            "content": [fields.get(name) for name in _OF_QUESTIONS[event_type]],
        }
    kind, content = _KINDS.get(event_type, Kind.NOTE), fields.get("content")
    found = [_event_text(kind, fields)]
    if kind is not Kind.THINKING and isinstance(content, list):
        thinking = [block for block in content if _is_thinking(block)]
        if thinking:
            others = [block for block in content if not _is_thinking(block)]
            found = [
                _event_text(
                    Kind.THINKING, {"timestamp": fields.get("timestamp"), "content": thinking}
                ),
                _event_text(kind, fields | {"content": others}),
            ]
    return [text for text in found if text is not None]


def _event_text(kind: Kind, fields: dict[str, Any]) -> EventText | None:
    """Return the text of these fields; None if they have no text."""
    tool_name, tool_input = fields.get("tool_name"), fields.get("tool_input")
    named = tool_name if isinstance(tool_name, str) and tool_name else None
    parts = [] if named is None else [named]
    files: tuple[str, ...] = ()
    if isinstance(tool_input, dict):
        parts += _input_texts(tool_input)
        files = tuple(dict.fromkeys(_files(tool_input)))[:MAX_FILES]
    for name in _TEXTS:
        value = fields.get(name)
        if isinstance(value, str):
            parts.append(value)
        elif value is not None:
            parts += _texts(value)
    text = _shortened("\n".join(part for part in parts if not _ENCODED.match(part)))
    if not text or text.isspace():
        return None
    timestamp = fields.get("timestamp")
    return EventText(
        kind=kind,
        text=text,
        occurred_at=moment_of(timestamp) if isinstance(timestamp, str) else None,
        tool_name=named,
        has_error=fields.get("error") is not None,
        files=files,
    )


def _is_thinking(block: Any) -> bool:
    kind = block.get("type") if isinstance(block, dict) else None
    return isinstance(kind, str) and kind in THINKING_BLOCKS


def _shortened(text: str) -> str:
    if len(text) <= FIRST_CHARS + LAST_CHARS:
        return text
    return f"{text[:FIRST_CHARS]}\n{text[-LAST_CHARS:]}"


def _input_texts(tool_input: dict[str, Any]) -> Iterator[str]:
    """Yield the texts of a tool's input, the ones that name its object first."""
    first = [tool_input[name] for name in _FIRST_INPUTS if name in tool_input]
    yield from _texts(first)
    yield from _texts([tool_input[name] for name in tool_input if name not in _FIRST_INPUTS])


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in a JSON value, in their order, without names, ids and encoded data."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            waiting += reversed(value)
        elif isinstance(value, dict):
            is_media = not _MEDIA.isdisjoint(value)
            waiting += reversed(
                [
                    part
                    for name, part in value.items()
                    if name not in _NAMES and not (is_media and name == "data")
                ]
            )
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield str(value)


def _files(tool_input: dict[str, Any]) -> Iterator[str]:
    for name, value in tool_input.items():
        if name in _PATHS:
            for path in value if isinstance(value, list) else [value]:
                if isinstance(path, str) and 0 < len(path) <= _MAX_PATH_CHARS:
                    yield path
        elif isinstance(value, str) and "*** " in value:
            yield from (path.strip() for path in _PATCHED.findall(value[:FIRST_CHARS]))
