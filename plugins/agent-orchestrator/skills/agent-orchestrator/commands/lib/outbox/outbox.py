"""The outbox of a run: items on this machine's disk until the manager has them.

Each run has one file, held by one process at a time: its supervisor, or after a crash the command
that delivers the rest. `add` returns once the item is on the disk. Items are sent in order. They
are removed once the manager has confirmed that they are on its own disk. Items that the manager
refuses permanently go to a separate table. So they block no other items, and are not lost.

Delivered items are kept until the run is finished, in case the manager's disk loses them.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ..machine.clock import SYSTEM, Time
from ..shared.private_files import check_private
from .files import hold, lock_path, open_database

Item = dict[str, Any]
Execute = Callable[..., sqlite3.Cursor]

EVENT = "event"
"""Kind of the items that are sent in batches. Items of other kinds are sent alone."""
MAX_BATCH_EVENTS = 500
MAX_BATCH_BYTES = 2 * 1024 * 1024
MAX_KEPT_BYTES = 64 * 1024 * 1024
MAX_KEPT_SECONDS = 24 * 3600.0
"""Limits in size and time for delivered items that are kept."""

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS run (session_id TEXT NOT NULL, run INTEGER NOT NULL, url TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS waiting (
    position INTEGER PRIMARY KEY AUTOINCREMENT, size INTEGER NOT NULL, event TEXT NOT NULL,
    kind TEXT NOT NULL DEFAULT 'event'
);
CREATE TABLE IF NOT EXISTS kept (
    position INTEGER PRIMARY KEY, size INTEGER NOT NULL, event TEXT NOT NULL,
    kept_at REAL NOT NULL, kind TEXT NOT NULL DEFAULT 'event'
);
CREATE TABLE IF NOT EXISTS reached (stream TEXT PRIMARY KEY, mark TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS refused (
    position INTEGER PRIMARY KEY, event TEXT NOT NULL, reason TEXT NOT NULL,
    kind TEXT NOT NULL DEFAULT 'event'
);
COMMIT;
"""
_ADD_KINDS = "ALTER TABLE {table} ADD COLUMN kind TEXT NOT NULL DEFAULT 'event'"
_SET_KINDS = """
UPDATE {table} SET kind = 'transcript' WHERE kind = 'event'
    AND json_type(event, '$.transcript') = 'object' AND json_type(event, '$.event_type') IS NULL
"""
"""Earlier versions write items without a kind, and read items of all kinds."""


_SET_MARK = "INSERT OR REPLACE INTO reached (stream, mark) VALUES (?, ?)"


class OutboxError(Exception):
    """The outbox cannot be used; the text says which file and why."""


class OutboxHeldError(OutboxError):
    """Another process has this outbox open."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The run that the items belong to, and the URL of its manager."""

    session_id: str
    run: int
    url: str
    cursor: str | None = None
    """Cursor of the session when the run was opened; None for an existing outbox."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """An item that the manager does not have yet."""

    position: int
    kind: str
    item: Item


@dataclass(frozen=True, kw_only=True)
class Refused:
    """An item that the manager refuses permanently, and the reason."""

    kind: str
    item: Item
    reason: str


class Outbox:
    """The outbox of one run, held from construction until `close`. Thread-safe."""

    def __init__(self, path: Path, run: Run | None = None, *, time: Time = SYSTEM) -> None:
        """Create the outbox of a run; without `run`, open an existing one.

        Opening removes an outbox whose creator was killed before it could add anything.

        Raises:
            OutboxHeldError: another process has it open.
            OutboxError: it cannot be opened or written.
        """
        self.path = path
        self.changed = threading.Condition()
        """Notified when items were added or removed, and when delivery closes or has stopped."""
        self.is_given_up = False
        """True if delivery has stopped for now."""
        self._time = time
        self._using = threading.Lock()
        try:
            self._hold = hold(path, create=run is not None)
        except BlockingIOError as exc:
            raise OutboxHeldError(f"another process holds the outbox {path}") from exc
        except OSError as exc:
            raise OutboxError(f"cannot open the outbox {path}: {exc.strerror}") from exc
        with ExitStack() as undoing:
            undoing.callback(os.close, self._hold)
            try:
                self._database = open_database(path, _SCHEMA)
                undoing.callback(self._database.close)
                self._give_kinds()
                self.run = self._find_run() or self._insert_run(run)
                self._kept_bytes = self._find_kept_bytes()
            except (OSError, sqlite3.Error) as exc:
                raise OutboxError(f"cannot open the outbox {path}: {exc}") from exc
            undoing.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, item: Item, kind: str = EVENT) -> None:
        """Add an item. It is on the disk when this returns.

        Raises:
            OutboxError: the disk is full or cannot be written.
            ValueError: the item could never be sent, and would block all later items.
        """
        text = json.dumps(item, ensure_ascii=False, allow_nan=False)
        row = (len(text.encode()), text, kind)
        with self._statement() as execute:
            execute("INSERT INTO waiting (size, event, kind) VALUES (?, ?, ?)", row)
        self._tell()

    def next_batch(self) -> list[Waiting]:
        """Return the next items to send, oldest first: events, or one item of another kind."""
        batch: list[Waiting] = []
        size = 0
        query = "SELECT position, size, event, kind FROM waiting ORDER BY position LIMIT ?"
        with self._statement() as execute, closing(execute(query, (MAX_BATCH_EVENTS,))) as rows:
            for position, item_size, text, kind in rows:
                size += item_size
                if batch and (size > MAX_BATCH_BYTES or kind != EVENT):
                    break
                batch.append(Waiting(position=position, kind=kind, item=json.loads(text)))
                if kind != EVENT:
                    break
        return batch

    def find_mark(self, stream: str) -> str | None:
        """Return the position in a stream that the manager confirmed last; None if unknown.

        The events of the session are the stream "". Each transcript is a separate stream. Only the
        manager and the sender interpret a mark.
        """
        with self._statement() as execute:
            row = execute("SELECT mark FROM reached WHERE stream = ?", (stream,)).fetchone()
        return None if row is None else row[0]

    def set_mark(self, stream: str, mark: str) -> None:
        with self._statement() as execute:
            execute(_SET_MARK, (stream, mark))

    def remove(
        self, delivered: Sequence[Waiting], stream: str = "", mark: str | None = None
    ) -> None:
        """Remove delivered items; `mark` is the position in the stream that the manager confirmed.

        The items move to the kept items, if there is room.
        """
        last = delivered[-1].position
        try:
            self._keep(last, stream, mark)
        except OutboxError:  # a full disk: removing them matters more
            with self._statement() as execute:
                execute("DELETE FROM kept")
                execute("DELETE FROM waiting WHERE position <= ?", (last,))
            self._kept_bytes = 0
        self._tell()

    def _keep(self, last: int, stream: str, mark: str | None) -> None:
        now = self._time.clock()
        with self._statement() as execute:
            with _transaction(execute):
                execute(
                    "INSERT OR REPLACE INTO kept (position, size, event, kind, kept_at) "
                    "SELECT position, size, event, kind, ? FROM waiting WHERE position <= ?",
                    (now, last),
                )
                if mark is not None:
                    execute(_SET_MARK, (stream, mark))
                query = "SELECT sum(size) FROM waiting WHERE position <= ?"
                kept = self._kept_bytes + (execute(query, (last,)).fetchone()[0] or 0)
                execute("DELETE FROM waiting WHERE position <= ?", (last,))
                oldest = execute("SELECT min(position) FROM kept").fetchone()[0]
                row = execute("SELECT kept_at FROM kept WHERE position = ?", (oldest,)).fetchone()
                if kept > MAX_KEPT_BYTES or (row and row[0] < now - MAX_KEPT_SECONDS):
                    kept = _forget_oldest(execute, kept, now - MAX_KEPT_SECONDS)
            self._kept_bytes = kept

    def take_back(self) -> int:
        """Queue all kept items again, before the waiting ones, and return their number."""
        with self._statement() as execute:
            with _transaction(execute):
                moved = execute(
                    "INSERT OR IGNORE INTO waiting (position, size, event, kind) "
                    "SELECT position, size, event, kind FROM kept"
                ).rowcount
                execute("DELETE FROM kept")
                execute("DELETE FROM reached")
            self._kept_bytes = 0
        self._tell()
        return moved

    def refuse(self, waiting: Sequence[Waiting], reason: str) -> None:
        """Move items that the manager refuses to a separate table, with the content given here."""
        with self._statement() as execute, _transaction(execute):
            for each in waiting:
                execute(
                    "INSERT OR REPLACE INTO refused (position, event, kind, reason) "
                    "SELECT position, ?, kind, ? FROM waiting WHERE position = ?",
                    (json.dumps(each.item), reason, each.position),
                )
                execute("DELETE FROM waiting WHERE position = ?", (each.position,))
        self._tell()

    def retry_refused(self) -> int:
        """Queue the refused items again, and return their number."""
        with self._statement() as execute, _transaction(execute):
            moved = execute(
                "INSERT INTO waiting (position, size, event, kind) "
                "SELECT position, length(event), event, kind FROM refused"
            ).rowcount
            execute("DELETE FROM refused")
        self._tell()
        return moved

    def give_up(self) -> None:
        """Record that delivery has stopped for now, so that no thread waits for it."""
        self.is_given_up = True
        self._tell()

    def count_waiting(self) -> int:
        with self._statement() as execute:
            return int(execute("SELECT count(*) FROM waiting").fetchone()[0])

    def list_refused(self) -> list[Refused]:
        with self._statement() as execute:
            query = "SELECT kind, event, reason FROM refused ORDER BY position"
            rows = execute(query).fetchall()
        return [
            Refused(kind=kind, item=json.loads(text), reason=reason) for kind, text, reason in rows
        ]

    def close(self) -> None:
        """Close the outbox, and remove it if it is empty."""
        is_empty = False
        try:
            is_empty = not self.count_waiting() and not self.list_refused()
        finally:
            self._database.close()
            if is_empty:
                self._remove_files()
            os.close(self._hold)

    def _remove_files(self) -> None:
        """Remove the files. The lock is the last, as an outbox is found by it."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        lock_path(self.path).unlink(missing_ok=True)

    def _tell(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def _give_kinds(self) -> None:
        for table in ("waiting", "kept", "refused"):
            columns = self._database.execute(f"SELECT name FROM pragma_table_info('{table}')")
            if ("kind",) not in columns.fetchall():
                self._database.execute(_ADD_KINDS.format(table=table))
            self._database.execute(_SET_KINDS.format(table=table))

    def _find_run(self) -> Run | None:
        row = self._database.execute("SELECT session_id, run, url FROM run").fetchone()
        return None if row is None else Run(session_id=row[0], run=row[1], url=row[2])

    def _find_kept_bytes(self) -> int:
        query = "SELECT coalesce(sum(size), 0) FROM kept"
        return int(self._database.execute(query).fetchone()[0])

    def _insert_run(self, run: Run | None) -> Run:
        if run is None:
            self._remove_files()
            raise OutboxError(f"the outbox {self.path} was never used, and has been removed")
        if run.cursor is not None:
            self._database.execute(_SET_MARK, ("", run.cursor))
        row = (run.session_id, run.run, run.url)
        self._database.execute("INSERT INTO run (session_id, run, url) VALUES (?, ?, ?)", row)
        return run

    @contextmanager
    def _statement(self) -> Iterator[Execute]:
        """Use the connection once; roll back if that fails."""
        with self._using:
            try:
                yield self._database.execute
            except sqlite3.Error as exc:
                # On a full disk, SQLite has already rolled back.
                if self._database.in_transaction:
                    self._database.rollback()
                raise OutboxError(f"cannot write the outbox {self.path}: {exc}") from exc


@contextmanager
def _transaction(execute: Execute) -> Iterator[None]:
    execute("BEGIN IMMEDIATE")
    yield
    execute("COMMIT")


def _forget_oldest(execute: Execute, size: int, before: float) -> int:
    """Delete kept items that are too old, and then the oldest until three quarters are used."""
    last = None
    for position, row_size, kept_at in execute(
        "SELECT position, size, kept_at FROM kept ORDER BY position"
    ).fetchall():
        if kept_at >= before and size <= MAX_KEPT_BYTES * 3 // 4:
            break
        size -= row_size
        last = position
    execute("DELETE FROM kept WHERE position <= ?", (last,))
    return size


def peek(path: Path) -> tuple[int, int]:
    """Count the waiting and the refused items of an outbox that another process holds.

    Raises:
        OutboxError: it cannot be read, perhaps because it has just been removed.
    """
    try:
        for suffix in ("", "-wal", "-shm"):  # SQLite would wait for a pipe
            check_private(Path(f"{path}{suffix}"))
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            query = "SELECT (SELECT count(*) FROM waiting), (SELECT count(*) FROM refused)"
            waiting, refused = database.execute(query).fetchone()
            return waiting, refused
    except (OSError, sqlite3.Error) as exc:
        raise OutboxError(f"cannot read the outbox {path}: {exc}") from exc
