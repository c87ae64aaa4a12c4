"""Writing the search index of a SQLite database: texts, names of sessions, and deletions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

from sqlalchemy import Row

from agent_session_manager.search.parts import parts_of
from agent_session_manager.search.words import index_text
from agent_session_manager.sql.search.base.record import (
    NewText,
    NewTexts,
    filtered_text_of,
    name_of,
)
from agent_session_manager.sql.search.base.stored_text import dump_text, parse_text
from agent_session_manager.sql.search.sqlite.file import (
    NAMES,
    PARTS,
    SHARD_NUMBERS,
    State,
    add_shard,
    list_shards,
    read_state,
    words_table,
)

REMOVED_AT_ONCE = 2000
_MERGED_PAGES = 500
_INSERT = "INSERT INTO {0}(rowid, body, humps, facets) VALUES (?, ?, ?, ?)"
_REMOVE = "INSERT INTO {0}({0}, rowid, body, humps, facets) VALUES ('delete', ?, ?, ?, ?)"


class SqliteWriter:
    """The one writing connection of an index. Used by one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        self._connection.close()

    def state(self) -> State:
        found = read_state(self._connection)
        if found is None:
            raise sqlite3.OperationalError("no such table: state")
        return found

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def add_texts(self, new: NewTexts) -> None:
        """Add texts in the order of their numbers, and the position that the index then has."""
        shards = set(list_shards(self._connection))
        for shard, texts in groupby(new.texts, lambda text: text.number // SHARD_NUMBERS):
            if shard not in shards:
                add_shard(self._connection, shard)
            self._add(words_table(shard), list(texts))
        sessions = {(text.session_number,) for text in new.texts}
        self._connection.executemany("INSERT OR IGNORE INTO names VALUES (?, '', '')", sessions)
        self._connection.execute("UPDATE state SET position = ?", (new.through,))

    def _add(self, table: str, texts: list[NewText]) -> None:
        words = (_words(text.number, text.text.text, text.facets) for text in texts)
        self._connection.executemany(_INSERT.format(table), words)
        self._connection.executemany(
            "INSERT INTO texts VALUES (?, ?, ?, ?)",
            (
                (
                    text.number,
                    text.session_number,
                    text.occurred_at,
                    dump_text(text.facets, text.text),
                )
                for text in texts
            ),
        )

    def add_names(self, changed: Sequence[Row[Any]]) -> None:
        """Index the names and the filtered texts of changed sessions, if these differ."""
        for row in changed:
            name, filtered = name_of(row), filtered_text_of(row)
            if (name, filtered) != self._names_of(row.number):
                self._remove_names(row.number)
                self._connection.execute(
                    "INSERT INTO names VALUES (?, ?, ?)", (row.number, name, filtered)
                )
                indexed = index_text(name)
                self._connection.execute(
                    "INSERT INTO name_words(rowid, body, humps) VALUES (?, ?, ?)",
                    (row.number, indexed.body, indexed.humps),
                )
                self._connection.execute(
                    "INSERT INTO name_parts(rowid, parts) VALUES (?, ?)",
                    (row.number, " ".join(parts_of(filtered))),
                )
        if changed:
            position = changed[-1].changed_position
            self._connection.execute("UPDATE state SET names = ?", (position,))

    def note_deletions(self, position: int, present: set[int]) -> None:
        """Note the sessions of the index that are not among `present`, to remove their words."""
        indexed = {number for (number,) in self._connection.execute("SELECT session FROM names")}
        gone = ((number,) for number in sorted(indexed - present))
        self._connection.executemany("INSERT OR IGNORE INTO gone VALUES (?)", gone)
        self._connection.execute("UPDATE state SET deletions = ?", (position,))

    def has_deletions(self) -> bool:
        return self._connection.execute("SELECT 1 FROM gone LIMIT 1").fetchone() is not None

    def remove_some(self) -> None:
        """Remove some words of deleted sessions."""
        (session,) = self._connection.execute("SELECT session FROM gone LIMIT 1").fetchone()
        found = self._connection.execute(
            "SELECT number, body FROM texts WHERE session = ? ORDER BY number LIMIT ?",
            (session, REMOVED_AT_ONCE),
        ).fetchall()
        for shard, texts in groupby(found, lambda row: row[0] // SHARD_NUMBERS):
            statement = _REMOVE.format(words_table(shard))
            self._connection.executemany(statement, _stored_words(texts))
            self._loosen(shard)
        numbers = ((number,) for number, _ in found)
        self._connection.executemany("DELETE FROM texts WHERE number = ?", numbers)
        if len(found) < REMOVED_AT_ONCE:
            self._remove_names(session)
            self._connection.execute("DELETE FROM gone WHERE session = ?", (session,))

    def tidy_some(self) -> bool:
        """Merge a part of a full shard, or of one with removed words; return whether it did.

        A merge drops the removed words from the file.
        """
        row = self._connection.execute(
            "SELECT shard FROM shards WHERE is_loose = 1 LIMIT 1"
        ).fetchone()
        if row is None:
            return False
        table = words_table(row[0])
        before = self._connection.total_changes
        with self.transaction():
            self._connection.execute(
                f"INSERT INTO {table}({table}, rank) VALUES ('merge', ?)", (-_MERGED_PAGES,)
            )
            if self._connection.total_changes - before < 2:  # SQLite's sign that all is merged
                self._connection.execute("UPDATE shards SET is_loose = 0 WHERE shard = ?", row)
        return True

    def _loosen(self, shard: int) -> None:
        self._connection.execute("UPDATE shards SET is_loose = 1 WHERE shard = ?", (shard,))

    def _names_of(self, session: int) -> tuple[str, str]:
        """Return the indexed name and filtered text; both are empty without them."""
        row = self._connection.execute(
            "SELECT name, filtered FROM names WHERE session = ?", (session,)
        ).fetchone()
        return ("", "") if row is None else (str(row[0]), str(row[1]))

    def _remove_names(self, session: int) -> None:
        name, filtered = self._names_of(session)
        if name:
            indexed = index_text(name)
            self._connection.execute(
                "INSERT INTO name_words(name_words, rowid, body, humps) VALUES ('delete', ?, ?, ?)",
                (session, indexed.body, indexed.humps),
            )
            self._loosen(NAMES)
        if filtered:
            self._connection.execute(
                "INSERT INTO name_parts(name_parts, rowid, parts) VALUES ('delete', ?, ?)",
                (session, " ".join(parts_of(filtered))),
            )
            self._loosen(PARTS)
        self._connection.execute("DELETE FROM names WHERE session = ?", (session,))


def _words(number: int, text: str, facets: str) -> tuple[int, str, str, str]:
    indexed = index_text(text)
    return number, indexed.body, indexed.humps, facets


def _stored_words(
    texts: Iterable[tuple[int, bytes]],
) -> Iterator[tuple[int, str, str, str]]:
    for number, body in texts:
        stored = parse_text(body)
        yield _words(number, stored.text, stored.facets)
