"""The memory of the importer: how far each source was imported into a record.

A record is named by its generation. A new database and a restored backup are other records, into
which everything is imported again; events that are there already are skipped.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, fields, replace
from pathlib import Path

from ...shared.private_files import make_state_directory

FILE = "import.db"
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
    f"VALUES (?{', ?' * len(_COLUMNS)})"
)


@dataclass
class State:
    """The progress of all sources in one record. Several threads may use it."""

    generation: str
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
        """Store a progress. A kill at any moment leaves this or the earlier one."""
        with self.lock:
            self.connection.execute(_WRITE, (self.generation, *astuple(progress)))
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
    """Open the memory for one record. A file that is damaged is replaced: nothing is lost by it."""
    path = make_state_directory(directory) / FILE
    connection = _connect(path)
    try:
        rows = connection.execute(_READ, (generation,)).fetchall()
        known = (Progress(**dict(zip(_COLUMNS, row, strict=True))) for row in rows)
        yield State(generation, connection, {(each.path, each.key): each for each in known})
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    for is_retry in (False, True):
        connection = sqlite3.connect(path, timeout=60, check_same_thread=False)
        try:
            path.chmod(0o600)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_SCHEMA)
            return connection
        except sqlite3.DatabaseError:
            connection.close()
            if is_retry:
                raise
            for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
                name.unlink(missing_ok=True)
    raise AssertionError("unreachable")
