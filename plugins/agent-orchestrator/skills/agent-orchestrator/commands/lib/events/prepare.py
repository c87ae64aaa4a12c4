"""Preparing events with any content for sending and storage.

Credentials are masked first, so that no cut can leave half of one. Characters that no store accepts
(NUL, lone surrogates) are replaced. Numbers that no store accepts become text. Values that are too
large or too deeply nested are shortened. Every change is marked in the event, and no field is
dropped. The functions are pure; every executor uses them.
"""

from __future__ import annotations

import json
import math
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from ..shared.masking import Masking
from .cut_text import CutText
from .event import Event

TEXT_BYTES_LIMIT = 512 * 1024
"""Limit for one text, in UTF-8."""
TEXT_BYTES_LIMITS = (TEXT_BYTES_LIMIT, TEXT_BYTES_LIMIT // 16, TEXT_BYTES_LIMIT // 512)
"""Tried in turn until the event fits; the last one also shortens values of too many parts."""
EVENT_BYTES_LIMIT = 2 * 1024 * 1024
"""Limit for the whole event as JSON: many texts can exceed it together."""
EVENT_PARTS_LIMIT = 200_000
"""Commas and opening brackets outside strings; the manager rejects requests with more."""
DEPTH_LIMIT = 32
WRITTEN_DEPTH = 128
"""Levels that are kept of a value that is too deep for Python to write it."""
CHUNK_BYTES = 1 << 16
_OMITTED = "\n[… {} bytes omitted …]\n"

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"
JSON_TEXT = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


def create_event(event_type: str, event_id: str | None = None, /, **fields: Any) -> Event:
    """Build an event with the current time, ready to be sent; without an id it gets a new one.

    A field that is `None` is left out.
    """
    return prepare(
        {
            "event_type": event_type,
            "event_id": event_id or str(uuid.uuid4()),
            "timestamp": datetime.now(UTC).isoformat(),
            **{key: value for key, value in fields.items() if value is not None},
        }
    )


def text_content(text: str) -> list[dict[str, str]]:
    """Return the `content` that holds one text."""
    return [{"type": "text", "text": text}]


def storable(text: str) -> str:
    """Replace characters that no store accepts."""
    return UNSTORABLE.sub(REPLACEMENT, text)


def _is_storable(number: float) -> bool:
    """Return whether JSON can express the number and 64 bits can hold it."""
    return -(2**63) <= number < 2**64 if isinstance(number, int) else math.isfinite(number)


def prepare(event: Event) -> Event:
    """Return the event in a form that can be sent.

    `masked_secrets` is the number of masked credentials. `sanitized: true` marks replacements.
    `shortened` maps the path of each shortened field (`tool_input.content`, `content.0.text`) to
    its original length in characters.
    """
    event = Masking().event(event)
    for limit in TEXT_BYTES_LIMITS:
        fitter = _Fitter(limit)
        fitted = {key: fitter.fit(value, key, 1) for key, value in event.items()}
        if fitter.shortened:
            fitted["shortened"] = {**fitter.shortened, **event.get("shortened", {})}
        if fitter.sanitized:
            fitted["sanitized"] = True
        if fitter.masked:
            fitted["masked_secrets"] = fitted.get("masked_secrets", 0) + fitter.masked
        if _fits(fitted, EVENT_BYTES_LIMIT, EVENT_PARTS_LIMIT):
            break
    return fitted


class _Fitter:
    """One pass over one event with one limit; collects the marks."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.shortened: dict[str, int] = {}
        self.sanitized = False
        self.masked = 0

    def fit(self, value: Any, path: str, depth: int) -> Any:
        match value:
            case str():
                return self._fit_text(value, path)
            case dict() | list() if depth > DEPTH_LIMIT or self._is_too_large(value):
                return self._fit_text(_json_text(value), path, always=True)
            case dict():
                return {
                    self._clean(str(key)): self.fit(part, f"{path}.{key}", depth + 1)
                    for key, part in value.items()
                }
            case list():
                return [
                    self.fit(part, f"{path}.{index}", depth + 1) for index, part in enumerate(value)
                ]
            case int() | float() if not _is_storable(value):
                self.sanitized = True
                return str(value)
            case _:
                return value

    def _is_too_large(self, value: Any) -> bool:
        """Return whether a value of too many small parts must become one text at the last limit."""
        return self._limit == TEXT_BYTES_LIMITS[-1] and not _fits(
            value, TEXT_BYTES_LIMIT, EVENT_PARTS_LIMIT // 16
        )

    def _fit_text(self, text: str, path: str, *, always: bool = False) -> str:
        if isinstance(text, CutText):
            self.shortened[self._clean(path)] = text.characters
            self.masked += text.masked
            return shorten(self._clean(text), self._limit, text.size)
        fitted = shorten(self._clean(text), self._limit)
        if always or len(fitted) != len(text):
            self.shortened[self._clean(path)] = len(text)
        return fitted

    def _clean(self, text: str) -> str:
        cleaned = storable(text)
        self.sanitized = self.sanitized or cleaned != text
        return cleaned


def shorten(text: str, limit: int = TEXT_BYTES_LIMIT, size: int | None = None) -> str:
    """Keep the head and the tail of a text, so that it fits into `limit` bytes of UTF-8.

    `size` is the size of the whole text, if the middle of it is missing already.
    """
    if len(text) * 4 <= limit:
        return text
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    size = size or len(encoded)
    half = (limit - len(_OMITTED.format(size).encode())) // 2
    head = encoded[:half].decode(errors="ignore")
    tail = encoded[-half:].decode(errors="ignore")
    omitted = size - len(head.encode()) - len(tail.encode())
    return head + _OMITTED.format(omitted) + tail


def _fits(value: Any, bytes_limit: int, parts_limit: int) -> bool:
    text = _json_text(value)
    return len(text.encode(errors="replace")) <= bytes_limit and (
        _count_parts(text) <= parts_limit or _count_parts(JSON_TEXT.sub("", text)) <= parts_limit
    )


def _json_text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return json.dumps(_shallow(value, WRITTEN_DEPTH), ensure_ascii=False)


def _shallow(value: Any, levels: int) -> Any:
    """Return a value with a note in place of everything below some levels."""
    match value:
        case dict() | list() if not levels:
            return "[… deeper parts omitted …]"
        case dict():
            return {name: _shallow(part, levels - 1) for name, part in value.items()}
        case list():
            return [_shallow(part, levels - 1) for part in value]
    return value


def _count_parts(json_text: str) -> int:
    return sum(map(json_text.count, ",[{"))
