"""Reading an export line by line. Every line is checked, and none is kept in memory.

Reading succeeds only if the trailer matches all lines before it.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import orjson

from agent_session_manager.sql.transfer.format import (
    MAX_LINE_BYTES,
    ImportRefusedError,
    check_header,
    check_trailer,
    line_refused,
)
from agent_session_manager.sql.transfer.kinds import KINDS, Kind
from agent_shared.text_encoding import START_BYTES, other_form

Line = tuple[int, Kind, dict[str, Any]]
"""The line number in the file, the kind of the line, and its row."""


def read_lines(lines: BinaryIO, progress: Callable[[int], None]) -> Iterator[Line]:
    """Yield the lines between header and trailer; call `progress` with the size of each line.

    Raises:
        ImportRefusedError: a line is not valid; the text has its number.
    """
    number = 1
    header = _next(lines, number)
    if not header:
        raise ImportRefusedError("the export is empty: it has no header")
    progress(len(header))
    check_header(_parsed(header, number))
    digest = hashlib.sha256()
    counts = {kind.counted: 0 for kind in KINDS.values()}
    while True:
        number += 1
        line = _next(lines, number)
        if not line:
            raise ImportRefusedError(
                f"the export is cut off after line {number - 1}: it has no trailer; "
                "nothing was changed"
            )
        progress(len(line))
        values = _parsed(line, number)
        name = values.get("type")
        if name == "trailer":
            check_trailer(values, number, counts, digest.hexdigest())
            break
        kind = KINDS.get(name) if isinstance(name, str) else None
        if kind is None:
            raise line_refused(number, f"unexpected line of type {name!r:.80}")
        del values["type"]
        digest.update(line)
        counts[kind.counted] += 1
        yield number, kind, kind.to_row(values, number)
    if lines.read(1):
        raise line_refused(number + 1, "unexpected data after the trailer")


def _next(lines: BinaryIO, number: int) -> bytes:
    line = lines.readline(MAX_LINE_BYTES + 1)
    if number == 1:
        if form := other_form(line[:START_BYTES]):
            raise ImportRefusedError(f"{form}; nothing was changed")
        line = line.removeprefix(codecs.BOM_UTF8)
    if len(line) > MAX_LINE_BYTES:
        raise line_refused(number, f"it is longer than {MAX_LINE_BYTES} bytes")
    if line and not line.endswith(b"\n"):
        raise line_refused(number, "it is cut off")
    # Editors and shells of Windows write CRLF. The checksum is that of the lines before.
    return line[:-2] + b"\n" if line.endswith(b"\r\n") else line


def _parsed(line: bytes, number: int) -> dict[str, Any]:
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        raise line_refused(number, f"it is not JSON ({exc.msg})") from None
    if not isinstance(values, dict):
        raise line_refused(number, "it is not a JSON object")
    return values
