"""Text in a SQLite file that is not UTF-8: written by another program, or damaged on the disk.

Python refuses a whole result if one value cannot be decoded. This module reads the result again,
with bytes in the place of that value. The row conversion then treats only that row as damaged.
Results without undecodable text are read as usual, at no extra cost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_READS = ("SELECT", "WITH")


def read_text(value: bytes) -> str | bytes:
    """Return the text, or the bytes if they are not UTF-8."""
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        return value


class ForeignTextConnection(sqlite3.Connection):
    """A connection that can read text that is not UTF-8."""

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(factory or _Cursor)


class _Cursor(sqlite3.Cursor):
    """A cursor that repeats its query after an undecodable value and continues at the same row."""

    _statement = ""
    _parameters: Any = ()
    _taken = 0

    def execute(self, statement: str, parameters: Any = (), /) -> _Cursor:
        self._statement, self._parameters, self._taken = statement, parameters, 0
        return super().execute(statement, parameters)

    def fetchone(self) -> Any:
        row = self._read(super().fetchone)
        self._taken += row is not None
        return row

    def fetchmany(self, size: int | None = None) -> list[Any]:
        found = self._read(lambda: super(_Cursor, self).fetchmany(size or self.arraysize))
        self._taken += len(found)
        return found

    def fetchall(self) -> list[Any]:
        return self._read(super().fetchall)

    def _read(self, fetch: Callable[[], T]) -> T:
        try:
            return fetch()
        except sqlite3.OperationalError as exc:
            is_reading = self._statement.lstrip().upper().startswith(_READS)
            if not is_reading or not str(exc).startswith("Could not decode"):
                raise
        self.connection.text_factory = read_text
        super().execute(self._statement, self._parameters)
        if self._taken:  # fetchmany(0) would return all rows
            super().fetchmany(self._taken)
        return fetch()
