"""The memory of the importer: how far each source was imported into a record.

A record is named by its generation. A new database and a restored backup are other records, into
which everything is imported again; events that are there already are skipped.
"""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ....shared.private_files import make_state_directory
from ...format import Format, Source

FILE = "import.db"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
Key = tuple[str, str]
"""The path of a source, and its key in a database."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sources (
    generation TEXT NOT NULL, path TEXT NOT NULL, key TEXT NOT NULL, format TEXT NOT NULL,
    version INTEGER NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL,
    device INTEGER NOT NULL, inode INTEGER NOT NULL, stamp TEXT NOT NULL,
    offset INTEGER NOT NULL, lines INTEGER NOT NULL, sample TEXT NOT NULL,
    session_id TEXT NOT NULL, status TEXT NOT NULL, problem TEXT NOT NULL,
    parser TEXT NOT NULL,
    PRIMARY KEY (generation, path, key)
) WITHOUT ROWID
"""


class MemoryFailedError(OSError):
    """The memory cannot be read or written, for example because the disk is full."""


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise MemoryFailedError(errno.EIO, str(exc), str(path)) from exc


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The place in a source after its last import."""

    path: str
    key: str
    format: str
    version: int = 0
    size: int = -1
    mtime: int = -1
    device: int = -1
    inode: int = -1
    stamp: str = ""
    offset: int = 0
    lines: int = 0
    """Number of line breaks before the offset."""
    sample: str = ""
    session_id: str = ""
    """The session of its newest part, if it has one."""
    status: str = "begun"
    """`begun`, `done`, `gone` (its file was deleted), `deleted` (its session was deleted in the
    manager), `held` (a run of its session was open), `failed` or `not_understood`."""
    problem: str = ""
    parser: str = "{}"
    """The state of the parser, as JSON."""

    def unread(self) -> Progress:
        """Return the place at the beginning of the same source, as it is now."""
        return replace(self, offset=0, lines=0, sample="", parser="{}", session_id="")


_COLUMNS = [each.name for each in fields(Progress)]
_READ = f"SELECT {', '.join(_COLUMNS)} FROM sources WHERE generation = ?"
_WRITE = (
    f"INSERT OR REPLACE INTO sources (generation, {', '.join(_COLUMNS)}) "
    f"VALUES (?, CAST(? AS TEXT){', ?' * (len(_COLUMNS) - 1)})"
)
_PATHS = ("utf-8", "surrogateescape")
"""The path, the first column, can have bytes that are not UTF-8."""


@dataclass
class State:
    """The progress of all sources in one record. Several threads may use it."""

    generation: str
    path: Path
    connection: sqlite3.Connection
    known: dict[Key, Progress] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _keys: dict[str, set[Key]] = field(default_factory=dict)
    """The sources of each session."""

    def __post_init__(self) -> None:
        for key, progress in self.known.items():
            if progress.session_id:
                self._keys.setdefault(progress.session_id, set()).add(key)

    def of_session(self, session_id: str) -> list[Progress]:
        """Return the progress of each source from which a session was imported."""
        with self.lock:
            return [self.known[key] for key in self._keys.get(session_id, ())]

    def of(self, path: Path, key: str) -> Progress | None:
        return self.known.get((str(path), key))

    def write(self, progress: Progress) -> None:
        """Store a progress. A kill at any moment leaves this or the earlier one.

        Raises:
            MemoryFailedError: it was not stored.
        """
        with self.lock:
            path, *rest = astuple(progress)
            with _translated(self.path):
                self.connection.execute(_WRITE, (self.generation, path.encode(*_PATHS), *rest))
                self.connection.commit()
            key = (progress.path, progress.key)
            if (earlier := self.known.get(key)) is not None:
                self._keys.get(earlier.session_id, set()).discard(key)
            self.known[key] = progress
            if progress.session_id:
                self._keys.setdefault(progress.session_id, set()).add(key)

    def mark(self, progress: Progress, status: str, problem: str = "") -> None:
        self.write(replace(progress, status=status, problem=problem))


@contextmanager
def open_state(directory: Path, generation: str) -> Iterator[State]:
    """Open the memory for one record. A file that is damaged is replaced: nothing is lost by it.

    Raises:
        OSError: the file or its directory cannot be used.
    """
    path = make_state_directory(directory) / FILE
    with _translated(path):
        connection = _connect(path)
    try:
        with _translated(path):
            rows = connection.execute(_READ, (generation,)).fetchall()
        known = (Progress(**dict(zip(_COLUMNS, row, strict=True))) for row in rows)
        yield State(generation, path, connection, {(each.path, each.key): each for each in known})
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    for is_retry in (False, True):
        connection = sqlite3.connect(path, timeout=60, check_same_thread=False)
        try:
            path.chmod(0o600)
            connection.text_factory = lambda text: text.decode(*_PATHS)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_SCHEMA)
            return connection
        except sqlite3.Error as exc:
            connection.close()
            if is_retry or exc.sqlite_errorcode & 0xFF not in _DAMAGED:
                raise
            for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
                name.unlink(missing_ok=True)
    raise AssertionError("unreachable")


def beginning(form: Format, source: Source) -> Progress:
    """Return the place before the first record of a source."""
    return Progress(path=str(source.path), key=source.key, format=form.name, version=form.version)


def continuation(form: Format, source: Source, known: Progress | None) -> Progress | None:
    """Return where to continue a source; None if it has nothing new.

    Raises:
        OSError: the file of the source cannot be looked at.
    """
    found = source.path.stat()
    now: dict[str, Any] = {
        "size": found.st_size,
        "mtime": found.st_mtime_ns,
        "device": found.st_dev,
        "inode": found.st_ino,
        "stamp": source.stamp or "",
    }
    begin = replace(beginning(form, source), **now)
    if known is None or known.version != form.version:
        return begin
    if known.status == "deleted":
        return None
    is_done = known.status in ("done", "gone")
    if source.stamp is not None:
        return None if is_done and known.stamp == source.stamp else begin
    if is_done and all(getattr(known, name) == value for name, value in now.items()):
        return None
    is_same_file = (known.device, known.inode) == (found.st_dev, found.st_ino)
    may_continue = is_same_file and known.offset and (not is_done or bool(known.sample))
    return replace(known, **now) if may_continue else begin
