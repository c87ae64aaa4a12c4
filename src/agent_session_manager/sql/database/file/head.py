"""The head: a file with the database's high-water mark, with which a loss of commits is detected.

If the WAL was damaged or deleted, SQLite uses its valid part and reports no error. The head is
written after each commit and before the commit is acknowledged. So a database behind its head has
lost acknowledged commits. The file is overwritten in place: the write survives a killed process.
It is flushed to the disk once a second, after the database.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from zlib import crc32

logger = logging.getLogger(__name__)

SYNC_SECONDS = 1.0
_MAGIC = b"AO head\1"
_BODY = Struct(">8s32sQQ")
_CHECKSUM = Struct(">I")
CURRENT = """
    SELECT generation, commits,
        coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) FROM feed
"""


@dataclass(frozen=True)
class Reached:
    """The high-water mark of a database: its generation, commits and events."""

    generation: str
    commits: int
    events: int
    """The highest event number so far; a number is never used again."""


class Head:
    """The head file, open from construction until `close`. Used by one thread at a time."""

    def __init__(
        self, path: Path, reached: Reached, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Open the file and write the database's current high-water mark.

        Raises:
            OSError: the file cannot be written.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._path = path
        self._monotonic = monotonic
        self._descriptor: int | None = os.open(path, flags, 0o600)
        self._is_failing = False
        self._synced_at = 0.0
        try:
            os.pwrite(self._descriptor, _dump(reached), 0)
            os.fsync(self._descriptor)
        except OSError:
            os.close(self._descriptor)
            raise

    def write(self, reached: Reached) -> None:
        """Record a durable commit. An error is logged and not raised."""
        assert self._descriptor is not None
        try:
            os.pwrite(self._descriptor, _dump(reached), 0)
            now = self._monotonic()
            if now - self._synced_at >= SYNC_SECONDS:
                self._synced_at = now
                os.fsync(self._descriptor)
        except OSError as exc:
            if not self._is_failing:
                logger.error("cannot write %s: %s; a loss may go undetected", self._path, exc)
            self._is_failing = True
        else:
            self._is_failing = False

    def close(self) -> None:
        """Flush and close the file. Can be called again."""
        if self._descriptor is None:
            return
        try:
            os.fsync(self._descriptor)
        except OSError as exc:
            logger.error("cannot write %s: %s", self._path, exc)
        finally:
            os.close(self._descriptor)
            self._descriptor = None


def head_path(database: Path) -> Path:
    return database.with_name(database.name + ".head")


def read_head(database: Path) -> Reached | None:
    """Return the high-water mark in a database's head; None if the head is missing or damaged.

    Raises:
        OSError: the head exists and cannot be read.
    """
    path = head_path(database)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        content = os.pread(descriptor, _BODY.size + _CHECKSUM.size, 0)
    finally:
        os.close(descriptor)
    body, checksum = content[: _BODY.size], content[_BODY.size :]
    if len(content) != _BODY.size + _CHECKSUM.size or checksum != _CHECKSUM.pack(crc32(body)):
        logger.warning("%s is damaged: cannot tell whether commits were lost", path)
        return None
    _, generation, commits, events = _BODY.unpack(body)
    return Reached(generation.decode("ascii", "replace"), commits, events)


def remove_head(database: Path) -> None:
    """Delete the head of a database, because another database replaces it."""
    head_path(database).unlink(missing_ok=True)


def read_reached(connection: sqlite3.Connection) -> Reached | None:
    """Return the current high-water mark of a database; None if the database does not store it."""
    try:
        row = connection.execute(CURRENT).fetchone()
    except sqlite3.OperationalError as exc:
        if "no such" in str(exc):
            return None
        raise
    if row is None:
        return None
    generation, commits, events = row
    if not isinstance(generation, str):
        raise sqlite3.DatabaseError("feed: its generation is not text in UTF-8")
    return Reached(generation, commits, events)


def loss(head: Reached | None, found: Reached | None) -> str | None:
    """Return the loss of a database compared with its head, as a text; None: no loss."""
    if head is None or head.commits == 0:
        return None
    if found is None:
        return f"all of its {head.commits} commits are missing"
    if found.generation != head.generation:
        return "it is not the database that was last served here"
    if found.commits < head.commits:
        missing = f"its last {head.commits - found.commits} commits are missing"
        events = head.events - found.events
        if events > 0:
            missing += f", and with them {events} events"
        return f"{missing}, which had been acknowledged"
    return None


def refusal(database: Path, missing: str) -> str:
    """Return the error message for the start of a manager on a database with a loss."""
    return (
        f"{database} has lost acknowledged commits: {missing}; it was not changed. "
        "To restore a backup: agent-session-manager restore FILE; "
        "to continue with the remaining data: agent-session-manager accept-loss"
    )


def _dump(reached: Reached) -> bytes:
    body = _BODY.pack(_MAGIC, reached.generation.encode(), reached.commits, reached.events)
    return body + _CHECKSUM.pack(crc32(body))
