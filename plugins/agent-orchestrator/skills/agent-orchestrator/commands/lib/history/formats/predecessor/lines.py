"""Lines of a session file, and the kinds of messages in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Literal, NamedTuple

from ...items import BrokenRecordError
from ..fields import Fields, Json, parse_json

LINE_BYTES_LIMIT = 16 << 20

Kind = Literal["prompt", "assistant", "user", "system", "result", "unknown"]


_KINDS: dict[str, Kind] = {
    "user_message": "prompt",
    "assistant": "assistant",
    "user": "user",
    "system": "system",
    "result": "result",
}


class Line(NamedTuple):
    """One line of a file. Its number counts from 1."""

    number: int
    kind: Kind
    record: Fields
    problem: str = ""
    """Why the line has no record."""


def read(file: BinaryIO, size: int | None = None) -> Iterator[Line]:
    """Yield the lines, at most those of the first `size` bytes.

    A line that is too long, or not JSON, has a `problem`. An incomplete last line is left out, as
    its writer may still work on it.
    """
    number, offset = 0, 0
    while content := file.readline(LINE_BYTES_LIMIT + 1):
        number, offset = number + 1, offset + len(content)
        is_complete = content.endswith(b"\n")
        record: Json = None
        problem = ""
        if len(content) > LINE_BYTES_LIMIT:
            while content and not content.endswith(b"\n"):
                content = file.readline(LINE_BYTES_LIMIT)
                offset += len(content)
            is_complete, problem = True, f"longer than {LINE_BYTES_LIMIT:,} bytes"
        elif content.strip():
            try:
                record = parse_json(content)
            except BrokenRecordError as error:
                problem = str(error)
        else:
            continue
        if size is not None and offset > size:
            return
        if isinstance(record, dict):
            yield Line(number, _kind(record), record)
        elif is_complete:
            yield Line(number, "unknown", {}, problem)


def _kind(record: Fields) -> Kind:
    """Return the kind of a message. Only prompts, and lines of the oldest version, have a type."""
    kind = record.get("type")
    if isinstance(kind, str) and kind in _KINDS:
        return _KINDS[kind]
    if "duration_ms" in record and "num_turns" in record:
        return "result"
    if "subtype" in record and "data" in record:
        return "system"
    if "content" in record:
        return "assistant" if "model" in record else "user"
    return "unknown"
