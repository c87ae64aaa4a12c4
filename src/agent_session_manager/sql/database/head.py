"""The head: how far the database had come, kept beside it, so that a loss is seen.

SQLite takes a log that was damaged or deleted for one that ends there, and says that all is well.
The head is written after each commit and before anybody is told of it, so a database that is
behind its head has lost what was acknowledged. It is overwritten in place, which a killed process
leaves behind, and brought to the disk once a second, after the database it speaks of.
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
    """How far a database has come."""

    generation: str
    commits: int
    events: int
    """The number of its newest event, which is never given again."""


class Head:
    """The file, open for writing from construction until `close`. Used by one thread at a time."""

    def __init__(
        self, path: Path, reached: Reached, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Open it, and write where the database is now.

        Raises:
            OSError: it cannot be written.
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
        """Say that a commit is durable. A head that cannot be written stops nobody."""
        assert self._descriptor is not None
        try:
            os.pwrite(self._descriptor, _dump(reached), 0)
            now = self._monotonic()
            if now - self._synced_at >= SYNC_SECONDS:
                self._synced_at = now
                os.fsync(self._descriptor)
        except OSError as exc:
            if not self._is_failing:
                logger.error("cannot write %s: %s; a loss may not be seen", self._path, exc)
            self._is_failing = True
        else:
            self._is_failing = False

    def close(self) -> None:
        """May be called again."""
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
    """What the head of a database says; None where there is none, or it cannot be used.

    Raises:
        OSError: it is there and cannot be read.
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
        logger.warning("%s is damaged: whether anything was lost is not known", path)
        return None
    _, generation, commits, events = _BODY.unpack(body)
    return Reached(generation.decode("ascii", "replace"), commits, events)


def remove_head(database: Path) -> None:
    """Forget how far a database had come, because another is to take its place."""
    head_path(database).unlink(missing_ok=True)


def read_reached(connection: sqlite3.Connection) -> Reached | None:
    """How far a database has come; None where it has no record of it."""
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
    """What a database lacks of what its head says that it had; None: nothing."""
    if head is None or head.commits == 0:
        return None
    if found is None:
        return f"all of its {head.commits} commits are missing"
    if found.generation != head.generation:
        return "it is not the database that was served here last"
    if found.commits < head.commits:
        missing = f"its last {head.commits - found.commits} commits are missing"
        events = head.events - found.events
        if events > 0:
            missing += f", and with them {events} events"
        return f"{missing}, which had been acknowledged"
    return None


def refusal(database: Path, missing: str) -> str:
    """What is said to who starts a manager on a database that has lost something."""
    return (
        f"{database} has lost what was acknowledged: {missing}; it was left as it is. "
        "To put a backup in its place: agent-session-manager restore FILE; "
        "to go on with what is there: agent-session-manager accept-loss"
    )


def _dump(reached: Reached) -> bytes:
    body = _BODY.pack(_MAGIC, reached.generation.encode(), reached.commits, reached.events)
    return body + _CHECKSUM.pack(crc32(body))
