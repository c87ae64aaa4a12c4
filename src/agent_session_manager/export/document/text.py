"""Texts of events for documents: without control characters, escaped, and cut."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime
from typing import Any

# An escape sequence of a terminal; a sequence without an end hides nothing.
_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x1b\\|\x07)|[ -/]*[0-~])"
)
# C0 except tab and line feed, DEL, C1, separators that some programs take for the end of a line,
# marks that override the direction of text, surrogates and characters that no document may contain.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
    "\ufffe\uffff]"
)
_REPLACEMENT = "\ufffd"
MAX_LINE_CHARS = 120


def visible(text: str) -> str:
    """Return a text whose lines end with a line feed, and which hides no characters.

    Escape sequences of terminals are removed, such as those of colours. Other control characters
    are replaced by U+FFFD.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNPRINTABLE.sub(_REPLACEMENT, _SEQUENCE.sub("", text))


def escape(text: str) -> str:
    """Return a text for HTML, inside an element or inside a quoted attribute."""
    return html.escape(visible(text), quote=True)


def one_line(text: str, most: int | None = None) -> str:
    """Return a text as part of a line, with at most `most` characters."""
    line = " ".join(visible(text).split())
    return line if most is None or len(line) <= most else line[: most - 1] + "…"


def cut(text: str, most_bytes: int | None) -> str:
    """Return the head and the tail of a text that has more bytes, with the number left out."""
    if most_bytes is None or len(text) * 4 <= most_bytes:
        return text
    encoded = text.encode(errors="replace")
    if len(encoded) <= most_bytes:
        return text
    tail_bytes = most_bytes // 2
    head = encoded[: most_bytes - tail_bytes].decode(errors="ignore")
    tail = encoded[len(encoded) - tail_bytes :].decode(errors="ignore")
    left_out = len(encoded) - len(head.encode()) - len(tail.encode())
    return f"{head}\n[… {left_out:,} bytes cut …]\n{tail}"


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def moment_text(*moments: Any) -> str:
    """Return the first of the values that is a time in ISO 8601, in UTC; else an empty text."""
    for moment in moments:
        try:
            read = datetime.fromisoformat(moment)
            aware = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            continue
        return aware.isoformat(" ", "seconds").replace("+00:00", " UTC")
    return ""
