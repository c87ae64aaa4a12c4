"""A disk that loses its power: what was written and not synced may be there, torn, or not at all.

`Disk` is a file system for SQLite, by way of apsw. The files are real, so that SQLite runs as it
does; beside each it keeps what a sync has made certain, and the writes since then, of which an
image of the disk after a cut has any part, in pieces of a sector.
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
"""What is memory and no file, or is not used where there is a write-ahead log."""


@dataclass
class _Kept:
    """One file: what is certain of it, and what was written since; data of None cuts it off."""

    certain: bytearray = field(default_factory=bytearray)
    written: list[tuple[int, bytes | None]] = field(default_factory=list)

    def make_certain(self) -> None:
        for offset, data in self.written:
            _apply(self.certain, offset, data)
        self.written.clear()

    def after_a_cut(self, chance: Random) -> bytes:
        """What the file may be: nothing since the sync, all of it, a beginning, or any part."""
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
    """Some sectors of some writes: whatever order the disk had made of them."""
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
    """The file system, by its `name`. `before_write` is called before each write and each sync."""

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
        """Write to `directory` what the files may be after a cut at this moment."""
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
        self._kept.make_certain()  # the real file may as well stay where it is


@contextmanager
def disk(name: str) -> Iterator[Disk]:
    made = Disk(name)
    try:
        yield made
    finally:
        made.unregister()


class Connection:
    """A connection of apsw's in the shape of one of `sqlite3`, as far as SQLAlchemy asks for it."""

    def __init__(self, path: Path, vfs: str) -> None:
        self._opened = apsw.Connection(str(path), vfs=vfs)
        self.isolation_level: str | None = None

    def cursor(self) -> Cursor:
        return Cursor(self._opened)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Cursor:
        return self.cursor().execute(statement, values)

    def create_function(self, *_: Any, **__: Any) -> None:
        """None of SQLAlchemy's own is used."""

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
        """Before the first row: afterwards it would not say any more what a row is made of."""
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
