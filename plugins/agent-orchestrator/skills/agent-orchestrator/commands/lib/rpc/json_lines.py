"""Reads JSON values from lines of any length, in bounded memory.

A long line waits in a file. Its value keeps its structure, and long texts in it are cut.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import closing
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Any, NamedTuple

from ..events.prepare import CHUNK_BYTES

SHORT_BYTES = 1024 * 1024
"""A longer line is read from a file."""
MAX_LINE_BYTES = 1024 * 1024 * 1024


class Line(NamedTuple):
    """A line that is not empty, and its value; or why it has none."""

    head: bytes
    """The beginning of the line."""
    value: Any = None
    problem: str | None = None


class TooLongError(Exception):
    """A line is longer than `MAX_LINE_BYTES`. What follows it cannot be read."""


async def read_lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Line, None]:
    """Yield the lines in the chunks; a last line needs no line break.

    Raises:
        TooLongError: a line is too long.
    """
    with closing(_PartialLine()) as line:
        async for chunk in chunks:
            first, *others = chunk.split(b"\n")
            line.add(first)
            if others:
                *whole, rest = others
                if (found := await line.take()) is not None:
                    yield found
                for text in whole:
                    if text.strip():
                        yield _read(text)
                line.add(rest)
        if (found := await line.take()) is not None:
            yield found


class _PartialLine:
    def __init__(self) -> None:
        self._file = _new_file()
        self._size = 0

    def add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > MAX_LINE_BYTES:
            raise TooLongError(f"it wrote a line of more than {MAX_LINE_BYTES:,} bytes")
        self._file.write(part)

    async def take(self) -> Line | None:
        """Return the line, and begin the next one; None if it has only spaces."""
        size, file = self._size, self._file
        self._size, self._file = 0, _new_file()
        with file:
            file.seek(0)
            if size > SHORT_BYTES:
                return await asyncio.to_thread(_read_long, file)
            text = file.read()
        return _read(text) if text.strip() else None

    def close(self) -> None:
        self._file.close()


def _new_file() -> SpooledTemporaryFile[bytes]:
    return SpooledTemporaryFile(max_size=SHORT_BYTES)


def _read(text: bytes) -> Line:
    head = text[:CHUNK_BYTES]
    try:
        return Line(head, json.loads(text))
    except RecursionError:
        pass
    except ValueError as exc:
        return Line(head, problem=str(exc))
    try:
        return Line(head, _bounded(iter([text])))
    except ValueError as exc:
        return Line(head, problem=str(exc))


def _read_long(file: SpooledTemporaryFile[bytes]) -> Line:
    head = file.read(CHUNK_BYTES)
    file.seek(0)
    try:
        return Line(head, _bounded(iter(partial(file.read, CHUNK_BYTES), b"")))
    except ValueError as exc:
        return Line(head, problem=str(exc))


def _bounded(pieces: Iterator[bytes]) -> Any:
    from ..events.bounded_json import read_bounded  # late: few lines need it

    return read_bounded(pieces).value
