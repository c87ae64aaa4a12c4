"""Reading the lines of a file from an offset, with bounded memory. Compressed files are expanded.

Offsets count the bytes of the expanded file.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

CHUNK_BYTES = 1024 * 1024
MAX_LINE_BYTES = 16 * 1024 * 1024
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
        OSError: the file cannot be read, or its Zstandard data is damaged.
    """
    with path.open("rb") as file:
        start = file.read(len(_ZSTANDARD))
        file.seek(0)
        if start != _ZSTANDARD:
            yield Opened(file, False)
            return
        zstd = import_zstandard()
        try:
            with zstd.open(file, "rb") as expanded:
                yield Opened(expanded, True)
        except (zstd.ZstdError, EOFError) as exc:
            raise OSError(f"its Zstandard data is damaged: {exc}") from exc


def import_zstandard() -> Any:
    """Return the module for Zstandard: of Python from 3.14 on, else a backport."""
    if sys.version_info >= (3, 14):
        return import_module("compression.zstd")
    return import_module("backports.zstd")


def read_lines(source: Opened, offset: int) -> Iterator[Line]:
    """Yield the lines from an offset, which is the beginning of a line.

    Raises:
        OSError: the file cannot be read, or expands beyond the limit.
    """
    file = source.file
    file.seek(offset)
    rest = bytearray()
    is_too_long = False
    begin = at = offset
    while chunk := file.read(CHUNK_BYTES):
        at += len(chunk)
        if at > MAX_EXPANDED_BYTES and source.is_compressed:
            raise TooLargeError(f"it expands to more than {MAX_EXPANDED_BYTES} bytes")
        first, *others = chunk.split(b"\n")
        if not is_too_long:
            rest += first
        if not others:
            is_too_long = is_too_long or len(rest) > MAX_LINE_BYTES
            if is_too_long:
                rest.clear()
            continue
        *whole, last = others
        end = at - sum(map(len, others)) - len(whole)
        is_too_long = is_too_long or len(rest) > MAX_LINE_BYTES
        yield Line(None if is_too_long else bytes(rest), begin, end, True)
        begin, is_too_long = end, False
        for content in whole:
            end = begin + len(content) + 1
            yield Line(content, begin, end, True)
            begin = end
        rest = bytearray(last)
    if begin < at:
        yield Line(None if is_too_long else bytes(rest), begin, at, False)
