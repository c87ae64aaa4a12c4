"""Making an event fit to be sent and stored, whatever an agent has put into it.

Credentials are masked first, so that no cut can leave half of one. Characters that no store takes
(NUL, lone surrogates) are replaced, numbers that none takes become text, and what is too large or
too deeply nested is shortened, each with a mark beside it; nothing is dropped. Pure functions, used
by every executor.
"""

from __future__ import annotations

import codecs
import json
import math
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from ..shared.masking import MAX_SECRET_CHARS, Masking, Span, find_secrets, mask_spans, rules_for
from .event import Event

TEXT_BYTES_LIMIT = 512 * 1024
"""Of one text, in UTF-8."""
TEXT_BYTES_LIMITS = (TEXT_BYTES_LIMIT, TEXT_BYTES_LIMIT // 16, TEXT_BYTES_LIMIT // 512)
"""Tried in turn until the event fits; with the last, what consists of too many parts is cut too."""
EVENT_BYTES_LIMIT = 2 * 1024 * 1024
"""Of the whole event as JSON: many texts that each fit can still be too much together."""
EVENT_PARTS_LIMIT = 200_000
"""Commas and opening brackets outside of texts: of more the manager takes no request."""
DEPTH_LIMIT = 32
CHUNK_BYTES = 1 << 16
_OMITTED = "\n[… {} bytes omitted …]\n"

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"
JSON_TEXT = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


def create_event(event_type: str, event_id: str | None = None, /, **fields: Any) -> Event:
    """Build an event of now, fit to be sent; a fact that has no id of its own gets one.

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
    """Replace what no store takes."""
    return UNSTORABLE.sub(REPLACEMENT, text)


def _is_storable(number: float) -> bool:
    """Whether JSON has the number, and 64 bits can hold it."""
    return -(2**63) <= number < 2**64 if isinstance(number, int) else math.isfinite(number)


def prepare(event: Event) -> Event:
    """Return the event as it can be sent.

    `masked_secrets` counts what was masked; `sanitized: true` marks what was replaced; `shortened`
    maps the path of each shortened field (`tool_input.content`, `content.0.text`) to the length in
    characters that it had.
    """
    event = Masking().event(event)
    for limit in TEXT_BYTES_LIMITS:
        fitter = _Fitter(limit)
        fitted = {key: fitter.fit(value, key, 1) for key, value in event.items()}
        if fitter.shortened:
            fitted["shortened"] = {**fitter.shortened, **event.get("shortened", {})}
        if fitter.sanitized:
            fitted["sanitized"] = True
        if _fits(fitted, EVENT_BYTES_LIMIT, EVENT_PARTS_LIMIT):
            break
    return fitted


class _Fitter:
    """One pass over one event with one limit; collects the marks."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.shortened: dict[str, int] = {}
        self.sanitized = False

    def fit(self, value: Any, path: str, depth: int) -> Any:
        match value:
            case str():
                return self._fit_text(value, path)
            case dict() | list() if depth > DEPTH_LIMIT or self._is_too_large(value):
                return self._fit_text(json.dumps(value, ensure_ascii=False), path, always=True)
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
        """Whether only its text form can be shortened: many small parts, at the last attempt."""
        return self._limit == TEXT_BYTES_LIMITS[-1] and not _fits(
            value, TEXT_BYTES_LIMIT, EVENT_PARTS_LIMIT // 16
        )

    def _fit_text(self, text: str, path: str, *, always: bool = False) -> str:
        fitted = shorten(self._clean(text), self._limit)
        if always or len(fitted) != len(text):
            self.shortened[self._clean(path)] = len(text)
        return fitted

    def _clean(self, text: str) -> str:
        cleaned = storable(text)
        self.sanitized = self.sanitized or cleaned != text
        return cleaned


def shorten(text: str, limit: int = TEXT_BYTES_LIMIT) -> str:
    """Keep the head and the tail of a text so that it fits into so many bytes of UTF-8."""
    if len(text) * 4 <= limit:
        return text
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    half = (limit - len(_OMITTED.format(len(encoded)).encode())) // 2
    head = encoded[:half].decode(errors="ignore")
    tail = encoded[-half:].decode(errors="ignore")
    omitted = len(encoded) - len(head.encode()) - len(tail.encode())
    return head + _OMITTED.format(omitted) + tail


def _fits(value: Any, bytes_limit: int, parts_limit: int) -> bool:
    text = json.dumps(value, ensure_ascii=False)
    return len(text.encode(errors="replace")) <= bytes_limit and (
        _count_parts(text) <= parts_limit or _count_parts(JSON_TEXT.sub("", text)) <= parts_limit
    )


def _count_parts(json_text: str) -> int:
    return sum(map(json_text.count, ",[{"))


class OutputText:
    """What a program writes, decoded as it comes; of too much only the head and the tail are kept.

    Bytes that are not UTF-8 become U+FFFD. Beyond each cut as much is kept as the longest secret
    can have, so that one that lies across it is seen whole, and masked.
    """

    def __init__(self, limit: int = TEXT_BYTES_LIMIT) -> None:
        self._limit = limit // 2
        self._half = self._limit + MAX_SECRET_CHARS
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._head = ""
        self._tail = ""
        self.characters = 0

    def add(self, chunk: bytes, *, final: bool = False) -> None:
        text = self._decoder.decode(chunk, final)
        self.characters += len(text)
        room = self._half - len(self._head)
        self._head += text[:room] if room > 0 else ""
        self._tail += text[max(room, 0) :]
        if len(self._tail) > 2 * self._half:
            self._tail = self._tail[-self._half :]

    def fields(self) -> Event:
        """Return the `content` of an event, with the mark if it is not everything."""
        omitted = self.characters - 2 * self._limit
        if omitted <= 0:
            return {"content": text_content(self._head + self._tail)}
        head, in_head = _cut(self._head, self._limit)
        tail, in_tail = _cut(self._end(), self._limit, keep_end=True)
        return {
            "content": text_content(f"{head}\n[… {omitted} characters omitted …]\n{tail}"),
            "shortened": {"content.0.text": self.characters},
            **({"masked_secrets": in_head + in_tail} if in_head + in_tail else {}),
        }

    def last_lines(self, count: int) -> str:
        """Return the end of it, masked, for a message to a person."""
        end, _ = _cut(self._end(), self._limit, keep_end=True)
        return "\n".join(end.strip().splitlines()[-count:])

    def _end(self) -> str:
        """As much of the end as is kept, and all of it if that is all."""
        is_whole = self.characters <= len(self._head) + len(self._tail)
        return self._head + self._tail if is_whole else self._tail


def _cut(text: str, length: int, *, keep_end: bool = False) -> tuple[str, int]:
    """One end of a text, masked, and how many secrets that were; what lies across is out whole."""
    begin, end = (max(0, len(text) - length), len(text)) if keep_end else (0, length)
    kept: list[Span] = []
    for span in find_secrets(text, rules_for(text)):
        if span.start < end and span.end > begin:
            begin, end = min(begin, span.start), max(end, span.end)
            kept.append(span)
    shifted = [Span(span.start - begin, span.end - begin, span.kind) for span in kept]
    return mask_spans(text[begin:end], shifted), len(kept)
