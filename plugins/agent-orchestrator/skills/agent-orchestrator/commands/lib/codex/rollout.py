"""Reads the rollout of a thread while Codex writes it.

The rollout has all that the app-server tells, and more: each call that the sandbox has denied, and
each request to the model with its id. The app-server tells these of a thread that it has begun, and
not of one that it has resumed. An import reads the same file with the same parser, so it finds the
same events under the same ids.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

from ..events.prepare import CHUNK_BYTES
from ..history.format import Place
from ..history.formats.codex.memory import Memory
from ..history.formats.codex.parser import CodexParser
from ..history.items import BrokenRecordError, Item
from ..rpc.json_lines import read_lines

logger = logging.getLogger(__name__)

MAX_BYTES = 1024 * 1024
"""Size of the lines that are read at once. A longer line is read as a whole."""


class Rollout:
    """The lines of one rollout, in order, from its beginning or from its present end."""

    def __init__(self, path: Path, thread_id: str) -> None:
        self._path = path
        self._parser = CodexParser(Memory(), name_id=thread_id, segment=None)
        self._offset = 0
        self._seen = 0
        """The place up to which the file has no further line break."""
        self._number = 0

    async def skip(self) -> None:
        """Skip the present lines, but for the first one: it has the facts of the thread."""
        try:
            size = self._path.stat().st_size
            with self._path.open("rb") as file:
                first = file.readline(MAX_BYTES)
        except OSError:
            return
        if first.endswith(b"\n"):
            self._offset = self._seen = 0
            await self._read_to(len(first))
        self._offset = self._seen = max(size, len(first))

    async def read(self) -> list[Item]:
        """Return the items of the next complete lines; empty if no line is complete."""
        try:
            end = self._next_end()
            return await self._read_to(end) if end > self._offset else []
        except OSError as exc:
            if not isinstance(exc, FileNotFoundError):  # Codex creates it with the first turn
                logger.info("the rollout cannot be read: %s", exc)
            return []

    def _next_end(self) -> int:
        """Return the end of the lines to read next, or the offset if no line is complete."""
        with self._path.open("rb") as file:
            file.seek(self._seen)
            end = self._offset
            while chunk := file.read(CHUNK_BYTES):
                last = chunk.rfind(b"\n")
                if last >= 0:
                    end = self._seen + last + 1
                self._seen += len(chunk)
                if end > self._offset and self._seen - self._offset >= MAX_BYTES:
                    break
        self._seen = max(end, self._seen) if end == self._offset else end
        return end

    async def _read_to(self, end: int) -> list[Item]:
        items: list[Item] = []
        async with aclosing(read_lines(self._chunks(end))) as lines:
            async for line in lines:
                self._number += 1
                try:
                    items += self._parser.read(line.value, Place(self._number, self._offset))
                except BrokenRecordError as exc:
                    logger.info("a line of the rollout was not understood: %s", exc)
        self._offset = end
        return items

    async def _chunks(self, end: int) -> AsyncIterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(self._offset)
            rest = end - self._offset
            while rest and (chunk := file.read(min(CHUNK_BYTES, rest))):
                rest -= len(chunk)
                yield chunk
