"""A disk that loses power: unsynced writes may be complete, torn or missing afterwards.

`Disk` is a file system for SQLite, through apsw. The files are real, so that SQLite works as usual.
For each file it also keeps the synced content and the writes since the last sync. An image of the
disk after a power cut contains any part of those writes, in units of one sector.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import apsw

SECTOR_BYTES = 512
NOT_KEPT = ("-shm", "-journal")
"""Suffixes of files without durable content: shared memory, and the journal unused with a WAL."""


@dataclass
class _Kept:
    """The synced content of one file and the writes since; data of None truncates the file."""

    certain: bytearray = field(default_factory=bytearray)
    written: list[tuple[int, bytes | None]] = field(default_factory=list)

    def make_certain(self) -> None:
        for offset, data in self.written:
            _apply(self.certain, offset, data)
        self.written.clear()

    def after_a_cut(self, chance: Random) -> bytes:
        """Return a possible content: no write since the sync, all, the first ones, or any part."""
        content = bytearray(self.certain)
        ways: tuple[Callable[[], Iterator[tuple[int, bytes | None]]], ...] = (
            lambda: iter(()),
            lambda: iter(self.written),
            lambda: iter(self.written[: chance.randint(0, len(self.written))]),
            lambda: _some_sectors(self.written, chance),
        )
        for offset, data in chance.choice(ways)():
            _apply(content, offset, data)
        return bytes(content)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _some_sectors(
    written: Sequence[tuple[int, bytes | None]], chance: Random
) -> Iterator[tuple[int, bytes | None]]:
    """Yield some sectors of some writes, as a disk may reorder them."""
    share = chance.random()
    for offset, data in written:
        if data is None:
            if chance.random() < share:
                yield offset, None
            continue
        for start in range(0, len(data), SECTOR_BYTES):
            if chance.random() < share:
                yield offset + start, data[start : start + SECTOR_BYTES]


class Disk(apsw.VFS):
    """A file system with a `name`; `before_write` is called before each write and each sync."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.before_write: Callable[[], None] = lambda: None
        self._files: dict[Path, _Kept] = {}
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name))
        if path.name.endswith(NOT_KEPT):
            return apsw.VFSFile("", name, flags)
        found = path.read_bytes() if path.exists() else b""
        kept = self._files.setdefault(path, _Kept(certain=bytearray(found)))
        return _File(self, kept, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:
        self._files.pop(Path(name), None)
        super().xDelete(name, syncdir)

    def cut(self, directory: Path, chance: Random) -> None:
        """Write to `directory` a possible state of the files after a power cut now."""
        for path, kept in self._files.items():
            directory.joinpath(path.name).write_bytes(kept.after_a_cut(chance))


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, kept: _Kept, name: Any, flags: list[int]) -> None:
        self._disk = disk
        self._kept = kept
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.before_write()
        super().xWrite(data, offset)
        self._kept.written.append((offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        self._disk.before_write()
        super().xTruncate(size)
        self._kept.written.append((size, None))

    def xSync(self, flags: int) -> None:
        self._disk.before_write()
        self._kept.make_certain()  # the real file needs no sync


@contextmanager
def disk(name: str) -> Iterator[Disk]:
    made = Disk(name)
    try:
        yield made
    finally:
        made.unregister()


class Connection:
    """An apsw connection with the part of the `sqlite3` interface that SQLAlchemy uses."""

    def __init__(self, path: Path, vfs: str) -> None:
        self._opened = apsw.Connection(str(path), vfs=vfs)
        self.isolation_level: str | None = None

    def cursor(self) -> Cursor:
        return Cursor(self._opened)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Cursor:
        return self.cursor().execute(statement, values)

    def create_function(self, *_: Any, **__: Any) -> None:
        """Ignore the functions of SQLAlchemy, which our statements do not use."""

    def commit(self) -> None:
        if self._opened.in_transaction:
            self.execute("COMMIT").close()

    def rollback(self) -> None:
        if self._opened.in_transaction:
            self.execute("ROLLBACK").close()

    def close(self) -> None:
        self._opened.close()


class Cursor:
    arraysize = 1

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._cursor.exec_trace = self._note
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    def _note(self, cursor: apsw.Cursor, _statement: str, _values: Any) -> bool:
        """Store the columns before the first row; afterwards apsw no longer returns them."""
        columns = cursor.get_description()
        self.description = tuple((c[0], *[None] * 6) for c in columns) if columns else None
        return True

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Cursor:
        return self._run(lambda: self._cursor.execute(statement, tuple(values)))

    def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> Cursor:
        return self._run(lambda: self._cursor.executemany(statement, [tuple(row) for row in rows]))

    def _run(self, work: Callable[[], Any]) -> Cursor:
        self.description = None
        before = self._connection.total_changes()
        try:
            work()
        except apsw.ConstraintError as exc:
            raise sqlite3.IntegrityError(str(exc)) from exc
        except apsw.Error as exc:
            raise sqlite3.OperationalError(str(exc)) from exc
        self.rowcount = self._connection.total_changes() - before
        self.lastrowid = self._connection.last_insert_rowid()
        return self

    def fetchall(self) -> list[Any]:
        return list(self._cursor)

    def fetchone(self) -> Any:
        return next(self._cursor, None)

    def fetchmany(self, size: int = 1) -> list[Any]:
        return [row for row, _ in zip(self._cursor, range(size), strict=False)]

    def close(self) -> None:
        self._cursor.close(True)
