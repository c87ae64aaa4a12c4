"""Counting distinct names, in bounded memory."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

_SETUP = """
PRAGMA cache_size = -32768;
PRAGMA journal_mode = OFF;
CREATE TABLE seen (hash INTEGER PRIMARY KEY);
"""
_FIND = "SELECT 1 FROM seen WHERE hash = ?"


class Distinct:
    """The names so far, as hashes in a temporary database, which needs at most 32 MiB of memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, kind: str, names: Iterable[str]) -> int:
        """Add names of a kind, and return the number of those that are new."""
        before = self._connection.total_changes
        hashes = ((_hash(f"{kind}\0{name}"),) for name in names)
        self._connection.executemany("INSERT OR IGNORE INTO seen VALUES (?)", hashes)
        return self._connection.total_changes - before

    def has(self, kind: str, name: str) -> bool:
        found = self._connection.execute(_FIND, (_hash(f"{kind}\0{name}"),))
        return found.fetchone() is not None


@contextmanager
def distinct() -> Iterator[Distinct]:
    """Begin to count; the database is removed at the end."""
    with closing(sqlite3.connect("")) as connection:
        connection.executescript(_SETUP)
        yield Distinct(connection)


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
