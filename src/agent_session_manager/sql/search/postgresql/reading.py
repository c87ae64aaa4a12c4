"""Reading the search index in PostgreSQL.

The planner expects far too many matches of a rare word, and would walk through all texts. So the
newest texts are checked one by one first. If few of them match, the word index is asked, for one
block of texts after the other: it knows no order, and finds all matches of a block before the
first. The blocks become larger while they take little time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import datetime

from sqlalchemy import Connection, bindparam, text

from agent_session_manager.search.match import Match
from agent_session_manager.sql.schema.rows import to_microseconds
from agent_session_manager.sql.search.base import record
from agent_session_manager.sql.search.base.reading import MAX_NUMBER, Batch
from agent_session_manager.sql.search.base.stored_text import StoredText, parse_text
from agent_session_manager.sql.search.postgresql.match import (
    BLOCK_BITS,
    in_block,
    to_tsquery,
    to_tsquery_of_terms,
)
from agent_session_manager.sql.search.postgresql.tables import SearchState
from agent_session_manager.store.search import Narrowed

_FIRST_CHECKED = 500
_CHECKED = 4000
"""Number of texts that are checked one by one at once, after the first ones."""
_FEW = 0.05
"""Share of matches among them below which the words are rare."""
_BATCH = 500
_QUICK_SECONDS = 0.005
_SLOW_SECONDS = 0.02

_PLANS = (
    text("SET LOCAL plan_cache_mode = force_custom_plan"),
    text("SET LOCAL max_parallel_workers_per_gather = 0"),
    text("SET LOCAL jit = off"),
    text("SET LOCAL enable_seqscan = off"),
)
_NEWEST = text(
    """WITH newest AS MATERIALIZED (
        SELECT number, words FROM search_texts WHERE number < :below
        ORDER BY number DESC LIMIT :count
    )
    SELECT (SELECT min(number) FROM newest) AS lowest,
        ARRAY(
            SELECT number FROM newest WHERE words @@ CAST(:query AS tsquery) ORDER BY number DESC
        ) AS numbers"""
)
_OF_BLOCK = text(
    """WITH found AS MATERIALIZED (
        SELECT number FROM search_texts WHERE words @@ CAST(:query AS tsquery)
    )
    SELECT number FROM found WHERE number < :below ORDER BY number DESC"""
)
_RANKS = text(
    """SELECT number, ts_rank(words, CAST(:query AS tsquery)) AS rank FROM search_texts
    WHERE number IN :numbers"""
).bindparams(bindparam("numbers", expanding=True))
_SESSIONS = text(
    """SELECT number, session_number FROM search_texts
    WHERE number IN :numbers AND occurred_at >= :first AND occurred_at < :last"""
).bindparams(bindparam("numbers", expanding=True))
_TEXTS = text(
    "SELECT number, occurred_at, body FROM search_texts WHERE number IN :numbers"
).bindparams(bindparam("numbers", expanding=True))
_HAVING = text(
    """SELECT session_number FROM search_names
    WHERE parts @> CAST(:parts AS text[]) LIMIT :count"""
)
_NAMED = text(
    """WITH found AS MATERIALIZED (
        SELECT session_number FROM search_names WHERE words @@ CAST(:query AS tsquery)
    )
    SELECT session_number FROM found ORDER BY session_number DESC LIMIT :count"""
)


class PostgresqlReading:
    """Reads through one connection, which has read this state of the index."""

    skips_sessions = False

    monotonic = staticmethod(time.monotonic)

    def __init__(self, connection: Connection, state: SearchState) -> None:
        self._connection = connection
        self.through = state.position
        self._names_through = state.names
        for statement in _PLANS:
            connection.execute(statement)

    def matches(self, match: Match, *, below: int) -> Iterator[Batch]:
        below = min(below, record.first_text(self.through + 1))
        query = to_tsquery(match)
        count = _FIRST_CHECKED
        while True:
            newest = self._connection.execute(
                _NEWEST, {"below": below, "count": count, "query": query}
            ).one()
            if newest.lowest is None:
                return
            yield from _batches(newest.numbers, newest.lowest)
            below = newest.lowest
            if len(newest.numbers) < _FEW * count:
                break
            count = _CHECKED
        # The index collects all words with a prefix first, for a small block as for a large one.
        has_prefix = any(term.is_prefix for term in (*match.wanted, *match.excluded))
        yield from self._rare(query, below, least=len(BLOCK_BITS) - 2 if has_prefix else 0)

    def _rare(self, query: str, below: int, *, least: int) -> Iterator[Batch]:
        size = least
        while below > 0:
            bits = BLOCK_BITS[size]
            lowest = below - 1 >> bits << bits
            begin = self.monotonic()
            found = self._connection.scalars(
                _OF_BLOCK, {"query": in_block(query, lowest, bits), "below": below}
            ).all()
            taken = self.monotonic() - begin
            yield from _batches(list(found), lowest)
            below = lowest
            if taken < _QUICK_SECONDS:
                size = min(size + 1, len(BLOCK_BITS) - 1)
            elif taken > _SLOW_SECONDS:
                size = max(size - 1, least)

    def scores(self, match: Match, numbers: list[int]) -> dict[int, float]:
        if not match.wanted:
            return {}
        query = to_tsquery_of_terms(match.wanted)
        found = self._connection.execute(_RANKS, {"query": query, "numbers": numbers})
        return {row.number: row.rank for row in found}

    def sessions(
        self, numbers: list[int], since: datetime | None, until: datetime | None
    ) -> dict[int, int]:
        first = -MAX_NUMBER if since is None else to_microseconds(since)
        last = MAX_NUMBER if until is None else to_microseconds(until)
        where = {"numbers": numbers, "first": first, "last": last}
        found = self._connection.execute(_SESSIONS, where)
        return {row.number: row.session_number for row in found}

    def texts(self, numbers: Iterable[int]) -> dict[int, tuple[int, StoredText]]:
        found = self._connection.execute(_TEXTS, {"numbers": list(numbers)})
        return {row.number: (row.occurred_at, parse_text(bytes(row.body))) for row in found}

    def having(self, parts: list[str], limit: int) -> Narrowed | None:
        wanted = {"parts": parts, "count": limit + 1}
        found = self._connection.scalars(_HAVING, wanted).all()
        return None if len(found) > limit else Narrowed([*found], self._names_through)

    def named(self, match: Match, limit: int) -> list[int]:
        query = to_tsquery(Match(wanted=match.wanted, excluded=match.excluded))
        return list(self._connection.scalars(_NAMED, {"query": query, "count": limit}))


def _batches(numbers: list[int], reached: int) -> Iterator[Batch]:
    for first in range(0, len(numbers), _BATCH):
        batch = numbers[first : first + _BATCH]
        yield Batch(batch, batch[-1])
    yield Batch([], reached)
