"""Reading the search index of a SQLite database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby

from agent_session_manager.search.match import Match
from agent_session_manager.sql.schema.rows import to_microseconds
from agent_session_manager.sql.search.base.reading import MAX_NUMBER, Batch
from agent_session_manager.sql.search.base.stored_text import StoredText, parse_text
from agent_session_manager.sql.search.sqlite.file import (
    SHARD_NUMBERS,
    list_shards,
    read_state,
    words_table,
)
from agent_session_manager.sql.search.sqlite.match import to_fts5, to_fts5_of_names
from agent_session_manager.store.search import Narrowed

_FIRST_BATCH = 50
_BATCH = 500
_WEIGHTS = "1.0, 0.5, 0.0"
"""Weights of body, humps and facets in the rank."""


class SqliteReading:
    """A read-only connection in one transaction, so that all reads see the same index."""

    skips_sessions = True

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        state = read_state(connection)
        self.through = 0 if state is None else state.position
        self._names_through = 0 if state is None else state.names

    def matches(self, match: Match, *, below: int) -> Iterator[Batch]:
        query = to_fts5(match)
        for shard in list_shards(self._connection):
            if shard * SHARD_NUMBERS >= below:
                continue
            table = words_table(shard)
            found = self._connection.execute(
                f"SELECT rowid FROM {table} WHERE {table} MATCH ? AND rowid < ? "
                "ORDER BY rowid DESC",
                (query, min(below, MAX_NUMBER)),
            )
            size = _FIRST_BATCH
            while rows := found.fetchmany(size):
                numbers = [number for (number,) in rows]
                yield Batch(numbers, numbers[-1])
                size = _BATCH
            yield Batch([], shard * SHARD_NUMBERS)

    def scores(self, match: Match, numbers: list[int]) -> dict[int, float]:
        query = to_fts5(match)
        scored: dict[int, float] = {}
        for shard, group in groupby(numbers, lambda number: number // SHARD_NUMBERS):
            inside = list(group)
            table = words_table(shard)
            found = self._connection.execute(
                f"SELECT rowid, bm25({table}, {_WEIGHTS}) FROM {table} "
                f"WHERE {table} MATCH ? AND rowid BETWEEN ? AND ?",
                (query, inside[-1], inside[0]),
            )
            ranks = dict(found.fetchall())
            scored.update({number: -ranks[number] for number in inside if number in ranks})
        return scored

    def sessions(
        self, numbers: list[int], since: datetime | None, until: datetime | None
    ) -> dict[int, int]:
        first = -MAX_NUMBER if since is None else to_microseconds(since)
        end = MAX_NUMBER if until is None else to_microseconds(until)
        found = self._connection.execute(
            f"SELECT number, session FROM texts WHERE number IN ({_places(numbers)}) "
            "AND occurred_at >= ? AND occurred_at < ?",
            (*numbers, first, end),
        )
        return dict(found.fetchall())

    def texts(self, numbers: Iterable[int]) -> dict[int, tuple[int, StoredText]]:
        wanted = list(numbers)
        found = self._connection.execute(
            f"SELECT number, occurred_at, body FROM texts WHERE number IN ({_places(wanted)})",
            wanted,
        )
        return {number: (occurred_at, parse_text(body)) for number, occurred_at, body in found}

    def having(self, parts: list[str], limit: int) -> Narrowed | None:
        found = self._connection.execute(
            "SELECT rowid FROM name_parts WHERE name_parts MATCH ? LIMIT ?",
            (" ".join(parts), limit + 1),
        ).fetchall()
        if len(found) > limit:
            return None
        return Narrowed([number for (number,) in found], self._names_through)

    def named(self, match: Match, limit: int) -> list[int]:
        found = self._connection.execute(
            "SELECT rowid FROM name_words WHERE name_words MATCH ? ORDER BY rowid DESC LIMIT ?",
            (to_fts5_of_names(match), limit),
        )
        return [number for (number,) in found]


def _places(values: list[int]) -> str:
    return ",".join("?" * len(values))
