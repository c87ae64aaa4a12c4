"""Reads a JSON value of any size with bounded memory: it keeps the structure and cuts long parts.

Each text, list and object gets at most half of the room that is left around it. So a value that is
too long leaves room for the ids and counts that follow it. A text keeps its two ends, a list or an
object its beginning. A note says how much is missing.
"""

from __future__ import annotations

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from typing import Any, NamedTuple

from .cut_text import CutText
from .output_text import OutputText
from .prepare import TEXT_BYTES_LIMIT

Json = Any

ROOM_BYTES = 8 * 1024 * 1024
MIN_ROOM_BYTES = 1024
VALUE_BYTES = 64
"""Room for a value besides its text."""
MAX_DEPTH = 128
MAX_TOKEN_BYTES = 4000
_OMITTED = "[… {} bytes omitted …]"

_SPACE = re.compile(rb"[ \t\r\n]*+")
_TOKEN = re.compile(rb"[-+.0-9A-Za-z]*+")
_TEXT = re.compile(rb'(?:[^"\\]++|\\(?:[^u]|u.{4}))*+', re.DOTALL)
_FLAT = rb'[^"\[\]{}]*+(?:"(?:[^"\\]++|\\.)*+"[^"\[\]{}]*+)*+'
_CLOSED = rb"[\[{]" + _FLAT + rb"[\]}]"
for _ in range(7):
    _CLOSED = rb"[\[{]" + _FLAT + rb"(?:" + _CLOSED + _FLAT + rb")*+[\]}]"
_INNER = re.compile(_FLAT + rb"(?:" + _CLOSED + _FLAT + rb")*+", re.DOTALL)
"""Matches the text between two brackets, with values of up to eight levels."""
_HIGH_SURROGATE = re.compile(rb"\\u[dD][89abAB]..\Z", re.DOTALL)
_ESCAPE_BYTES = 6


class BoundedJson(NamedTuple):
    """A value, and whether parts of it were left out."""

    value: Json
    is_cut: bool


def read_bounded(pieces: Iterator[bytes], room: int = ROOM_BYTES) -> BoundedJson:
    """Return the JSON value in the pieces, which together contain nothing else.

    Raises:
        ValueError: it is not valid JSON.
    """
    reader = _Reader(pieces)
    value = reader.value(room, 0)
    if reader.peek():
        raise ValueError("Extra data")
    return BoundedJson(value, reader.is_cut)


class _Reader:
    """Reads values from pieces of their text; it holds few pieces at a time."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._text = b""
        self._at = 0
        self._before = 0
        """Number of bytes before the present piece."""
        self._used = 0
        self.is_cut = False

    def value(self, room: int, depth: int) -> Json:
        """Return the next value, shortened to about `room` bytes."""
        self._used += VALUE_BYTES
        match self.peek():
            case b'"':
                return self._string(min(room, TEXT_BYTES_LIMIT))
            case b"{" | b"[" if depth == MAX_DEPTH:
                self._at += 1
                return self._omitted_rest()
            case b"{":
                return self._object(room, depth)
            case b"[":
                return self._list(room, depth)
            case _:
                return self._scalar()

    def peek(self) -> bytes:
        """Return the next byte that is not a space, without taking it; nothing at the end."""
        while True:
            self._at = self._match(_SPACE)
            if self._at < len(self._text):
                return self._text[self._at : self._at + 1]
            if not self._more():
                return b""

    def _omitted_rest(self) -> str:
        """Take the rest of a list or of an object, with its bracket; return a note about it."""
        self.is_cut = True
        begin, depth = self._before + self._at, 1
        while depth:
            self._at = self._match(_INNER)
            match self.peek():
                case b"":
                    raise ValueError("Unexpected end")
                case b'"':  # it does not end in this piece
                    self._string(0)
                case b"{" | b"[":
                    self._at += 1
                    depth += 1
                case b"}" | b"]":
                    self._at += 1
                    depth -= 1
        return _OMITTED.format(self._before + self._at - begin)

    def _object(self, room: int, depth: int) -> dict[str, Json]:
        found: dict[str, Json] = {}
        end = self._used + room
        for _ in self._members(b"}"):
            if self._used >= end:
                found["…"] = self._omitted_rest()
                break
            if self.peek() != b'"':
                raise ValueError("Expecting property name enclosed in double quotes")
            name = str(self._string(MIN_ROOM_BYTES))
            self._take(b":")
            found[name] = self.value(self._share(end), depth + 1)
        return found

    def _list(self, room: int, depth: int) -> list[Json]:
        found: list[Json] = []
        end = self._used + room
        for _ in self._members(b"]"):
            if self._used >= end:
                note = self._omitted_rest()
                # Readers of a list of blocks expect nothing else in it.
                is_block = isinstance(found[-1], dict)
                found.append({"type": "text", "text": note} if is_block else note)
                break
            found.append(self.value(self._share(end), depth + 1))
        return found

    def _share(self, end: int) -> int:
        return max((end - self._used) // 2, MIN_ROOM_BYTES)

    def _members(self, closing: bytes) -> Iterator[None]:
        """Yield before each member of a list or of an object, and take the closing bracket."""
        self._at += 1
        if self.peek() != closing:
            yield
            while self.peek() == b",":
                self._at += 1
                yield
        self._take(closing)

    def _take(self, expected: bytes) -> None:
        if self.peek() != expected:
            raise ValueError(f"Expecting {expected.decode()!r}")
        self._at += 1

    def _scalar(self) -> Json:
        token = b""
        while len(token) <= MAX_TOKEN_BYTES:
            end = self._match(_TOKEN)
            token += self._text[self._at : end]
            self._at = end
            if end < len(self._text) or not self._more():
                self._used += len(token)
                return json.loads(token)
        raise ValueError("a number is too long")

    def _string(self, room: int) -> str:
        """Take a text; return at most about `room` characters of it."""
        self._at += 1
        end = self._match(_TEXT)
        if end - self._at <= room and self._text[end : end + 1] == b'"':
            short: str = json.loads(self._text[self._at - 1 : end + 1], strict=False)
            self._at = end + 1
            self._used += len(short)
            return short
        return self._long_string(room)

    def _long_string(self, room: int) -> str:
        text, decoder = OutputText(room), getincrementaldecoder("utf-8")(errors="replace")
        while True:
            end = self._match(_TEXT)
            is_last = self._text[end : end + 1] == b'"'
            if not is_last and self._ends_in_half(end):
                end -= _ESCAPE_BYTES  # its other half follows in the next piece
            if room:
                part = decoder.decode(self._text[self._at : end], is_last)
                text.add_text(_unescaped(part) if "\\" in part else part)
            self._at = end
            if is_last:
                break
            if not self._more():
                raise ValueError("Unterminated string")
        self._at += 1
        kept = text.text()
        self._used += len(kept)
        self.is_cut = self.is_cut or isinstance(kept, CutText)
        return kept

    def _ends_in_half(self, end: int) -> bool:
        """Return whether a text ends in the escape of a first surrogate."""
        begin = end - _ESCAPE_BYTES
        if begin < self._at or not _HIGH_SURROGATE.match(self._text, begin, end):
            return False
        before = self._text[self._at : begin]
        # After an odd number of backslashes, the last of them escapes that of `\\u`.
        return (len(before) - len(before.rstrip(b"\\"))) % 2 == 0

    def _match(self, pattern: re.Pattern[bytes]) -> int:
        """Return the end of a match at the present place. The pattern can match nothing."""
        found = pattern.match(self._text, self._at)
        assert found is not None
        return found.end()

    def _more(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._before += self._at
        self._text = self._text[self._at :] + piece
        self._at = 0
        return True


def _unescaped(text: str) -> str:
    unescaped: str = json.loads(f'"{text}"', strict=False)
    return unescaped
