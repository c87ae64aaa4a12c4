"""Finds the end of the lines that a fork has copied from its original."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from ....events.bounded_json import read_bounded
from ..fields import fields_of, parse_json, session_id_of

_CHUNK_BYTES = 1024 * 1024
_MARK = re.compile(rb'"requestSessionId"[ \t]{0,4}:[ \t]{0,4}"([^"\\]{1,128})"')
_LONGEST_MARK_BYTES = 160
_MAX_CANDIDATES = 1000
"""Of more lines that contain a mark, only the last are looked at."""


def end_of_copy(path: Path, session_id: str) -> int:
    """Return the offset of the last line that was copied from another session; -1 without one.

    A fork begins with the lines of its original. Only the model's lines in it have a mark, which
    names the session that made the request. All lines before the last mark are copied as well. The
    file is read in chunks and not mapped, because Claude Code can cut it at any time.
    """
    try:
        for offset in reversed(_marked_lines(path, session_id.encode())):
            if _is_marked(path, offset, session_id):
                return offset
    except OSError:
        return -1
    return -1


def _marked_lines(path: Path, own: bytes) -> deque[int]:
    """Return the offsets of the last lines that contain the mark of another session anywhere."""
    found: deque[int] = deque(maxlen=_MAX_CANDIDATES)
    begin = at = 0
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            text, base = rest + chunk, at - len(rest)
            seen = 0
            for mark in _MARK.finditer(text):
                line = text.rfind(b"\n", seen, mark.start())
                seen = mark.start()
                begin = base + line + 1 if line >= 0 else begin
                if mark[1] != own and (not found or found[-1] != begin):
                    found.append(begin)
            at += len(chunk)
            rest = text[-_LONGEST_MARK_BYTES:]
            last = text.rfind(b"\n", 0, len(text) - len(rest))
            begin = base + last + 1 if last >= 0 else begin
    return found


def _is_marked(path: Path, offset: int, session_id: str) -> bool:
    """Return whether the line itself has the mark. The input of a tool can contain one as well."""
    with path.open("rb") as file:
        file.seek(offset)
        pieces = _line(file)
        first = next(pieces, b"")
        try:
            if first.endswith(b"\n"):
                line = parse_json(first)
            else:
                line = read_bounded(chain((first,), pieces)).value
        except ValueError:
            return False
    return session_id_of(fields_of(line).get("requestSessionId")) not in (None, session_id)


def _line(file: BinaryIO) -> Iterator[bytes]:
    """Yield a line in pieces."""
    while piece := file.readline(_CHUNK_BYTES):
        yield piece
        if piece.endswith(b"\n"):
            return
