"""Reading the lines of a file from an offset, with bounded memory. Compressed files are expanded.

Offsets count the bytes of the expanded file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ....events.bounded_json import BoundedJson, read_bounded
from ....shared.text_encoding import START_BYTES, other_form
from ....shared.zstandard import import_zstandard

CHUNK_BYTES = 1024 * 1024
LONG_LINE_BYTES = 2 * 1024 * 1024
"""A longer line is parsed in pieces, and its values are shortened."""
MAX_LINE_BYTES = 16 * 1024 * 1024
"""A longer line is never held as a whole."""
MAX_EXPANDED_BYTES = 64 * 1024 * 1024 * 1024
"""Limit for one compressed file: a small file can expand to any size."""
SAMPLE_BYTES = 4096
_ZSTANDARD = b"\x28\xb5\x2f\xfd"


class TooLargeError(OSError):
    """A compressed file expands beyond the limit."""


class Line(NamedTuple):
    """One line, without its line break."""

    content: bytes | None
    """None: the line is longer than `MAX_LINE_BYTES`."""
    offset: int
    end: int
    """Offset of the next line."""
    is_whole: bool
    """False for the last line if no line break ends it: its writer may not be done."""
    long: LongLine | None = None
    """The value of a line that is longer than `LONG_LINE_BYTES`."""


class LongLine(NamedTuple):
    """The value of a line that was too long to be parsed as a whole."""

    value: BoundedJson | None
    error: str = ""
    """Why there is no value."""


@dataclass(frozen=True)
class Opened:
    """An open file of lines, expanded if it is compressed."""

    file: BinaryIO
    is_compressed: bool

    def sample(self, offset: int) -> str:
        """Return a digest of the first bytes, and of the last ones before an offset.

        A file whose sample is unchanged has only grown, as far as its ends show. Reading all bytes
        before the offset would cost more with each line that is added. The place of reading is
        kept. A compressed file has no sample: it does not grow.
        """
        if self.is_compressed:
            return ""
        place = self.file.tell()
        self.file.seek(0)
        digest = hashlib.sha256(self.file.read(min(SAMPLE_BYTES, offset)))
        self.file.seek(max(0, offset - SAMPLE_BYTES))
        digest.update(self.file.read(min(SAMPLE_BYTES, offset)))
        self.file.seek(place)
        return digest.hexdigest()


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Open a file to read its lines; a Zstandard file by its content, whatever its name.

    Raises:
        OSError: the file cannot be read, is not UTF-8, or its Zstandard data is damaged.
    """
    with path.open("rb") as file:
        start = file.read(START_BYTES)
        file.seek(0)
        if start != _ZSTANDARD:
            if form := other_form(start):
                raise OSError(form)
            yield Opened(file, False)
            return
        zstd = import_zstandard()
        try:
            with zstd.open(file, "rb") as expanded:
                yield Opened(expanded, True)
        except (zstd.ZstdError, EOFError) as exc:
            raise OSError(f"its Zstandard data is damaged: {exc}") from exc


def read_lines(source: Opened, offset: int) -> Iterator[Line]:
    """Yield the lines from an offset, which is the beginning of a line.

    Raises:
        OSError: the file cannot be read, or expands beyond the limit.
    """
    chunks = _Chunks(source, offset)
    while True:
        begin = chunks.offset
        if (whole := chunks.whole_line()) is not None:  # nearly all lines
            yield Line(whole, begin, chunks.offset, True)
            continue
        pieces = chunks.line()
        held: list[bytes] = []
        size = 0
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size > MAX_LINE_BYTES:
                break
        if size > MAX_LINE_BYTES:
            long = _long_line(chain(_taken(held), pieces))
            for _ in pieces:
                pass
            yield Line(None, begin, chunks.offset, chunks.is_at_line_break, long)
        elif size or chunks.is_at_line_break:
            content = held[0] if len(held) == 1 else b"".join(held)
            held.clear()
            found = _long_line(iter((content,))) if size > LONG_LINE_BYTES else None
            yield Line(content, begin, chunks.offset, chunks.is_at_line_break, found)
        if not chunks.is_at_line_break:
            return


class _Chunks:
    """The chunks of a file after an offset, taken line by line."""

    def __init__(self, source: Opened, offset: int) -> None:
        self._source = source
        self._chunk = b""
        self._at = 0
        self.offset = offset
        """The place of the next byte."""
        self.is_at_line_break = False
        """True if the newest line has a line break."""
        source.file.seek(offset)

    def whole_line(self) -> bytes | None:
        """Take the next line, if all of it is in this chunk and it is not long."""
        begin, end = self._at, self._chunk.find(b"\n", self._at)
        if not 0 <= end - begin <= LONG_LINE_BYTES:
            return None
        self._at = end + 1
        self.offset += self._at - begin
        self.is_at_line_break = True
        return self._chunk[begin:end]

    def line(self) -> Iterator[bytes]:
        """Yield the next line in pieces."""
        self.is_at_line_break = False
        while self._at < len(self._chunk) or self._read():
            end = self._chunk.find(b"\n", self._at)
            self.is_at_line_break = end >= 0
            piece = self._chunk[self._at : end if end >= 0 else len(self._chunk)]
            taken = len(piece) + self.is_at_line_break
            self._at += taken
            self.offset += taken
            yield piece
            if self.is_at_line_break:
                return

    def _read(self) -> bool:
        self._chunk, self._at = self._source.file.read(CHUNK_BYTES), 0
        if self._source.is_compressed and self.offset + len(self._chunk) > MAX_EXPANDED_BYTES:
            raise TooLargeError(f"it expands to more than {MAX_EXPANDED_BYTES} bytes")
        return bool(self._chunk)


def _long_line(pieces: Iterator[bytes]) -> LongLine:
    try:
        return LongLine(read_bounded(pieces))
    except ValueError as exc:
        return LongLine(None, f"not valid JSON: {exc}")


def _taken(pieces: list[bytes]) -> Iterator[bytes]:
    """Yield pieces, and release each one."""
    pieces.reverse()
    while pieces:
        yield pieces.pop()
