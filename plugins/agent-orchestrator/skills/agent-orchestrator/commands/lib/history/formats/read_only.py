"""Opens the SQLite database of another program for reading, without changing its directory."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

Row = dict[str, Any]

BUSY_SECONDS = 5.0
"""Time for which a locked database is tried."""
_WAL_VERSION = 2


@contextmanager
def open_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading; its rows are dictionaries. Text that is not UTF-8 is replaced.

    Raises:
        OSError: the database cannot be read now. Errors of queries inside the context are
            translated as well.
    """
    try:
        database = sqlite3.connect(_uri(path), uri=True, timeout=BUSY_SECONDS)
        with closing(database):
            database.text_factory = _decode
            database.row_factory = _row
            yield database
    except sqlite3.Error as error:
        raise OSError(errno.EIO, f"cannot be read: {error}", str(path)) from error


def columns(database: sqlite3.Connection, table: str) -> set[str]:
    """Return the names of a table's columns: none if there is no such table."""
    rows = database.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return {row["name"] for row in rows}


def _uri(path: Path) -> str:
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    # A reader of a WAL database creates the files `-wal` and `-shm` if they are missing. Without
    # a `-wal` file the database itself is complete, and no writer has it open.
    return f"{uri}&immutable=1" if _is_wal(path) and not _wal_of(path).exists() else uri


def _wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _is_wal(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(20)[18:20] == bytes((_WAL_VERSION, _WAL_VERSION))


def _decode(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _row(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> Row:
    return {name[0]: value for name, value in zip(cursor.description, values, strict=True)}
