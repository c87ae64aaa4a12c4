"""Keeping the facets and the sums of usage in step with the record.

A transaction notes the shares of sessions, runs and model requests before it changes them. At its
end it reads their shares again and adds the differences to the sums. So the sums do not depend on
how a change is made, and a transaction without noted shares executes no statement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    Dialect,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    select,
    text,
)

from agent_session_manager.sql.schema.derived import (
    FACT_SHARES,
    MAX_SUM,
    RUN_SHARES,
    SESSION_SHARES,
    SHARE_COLUMNS,
    SUM_COLUMNS,
    sums_of_facts_after,
)
from agent_session_manager.sql.schema.rows import USAGE_COLUMNS
from agent_session_manager.sql.schema.tables import facets, runs, usage_facts, usage_sums

RunKey = tuple[int, int]
"""The number of a session, and the number of a run in it."""
_Changes = dict[tuple[Any, ...], list[int]]
"""The differences to add to the columns of a sum, for each key."""

_Share = Sequence[Any]
"""The values of `SUM_COLUMNS`."""

_KEYS_AT_ONCE = 200
_shares = SESSION_SHARES.subquery()
_FACETS = select(_shares).where(
    _shares.c.session_number.in_(bindparam("numbers", expanding=True)),
)
_RUNS_OF = RUN_SHARES.where(runs.c.session_number == bindparam("number"))
_FACTS_OF = FACT_SHARES.where(usage_facts.c.session_number == bindparam("number"))
_IS_USAGE = [name in USAGE_COLUMNS for name in SUM_COLUMNS]


class Sums:
    """The sums as one transaction changes them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sessions: dict[int, list[Row[Any]]] = {}
        self._runs: dict[RunKey, Row[Any] | None] = {}
        self._facts: dict[str, Row[Any] | None] = {}
        self._new_facts_after: int | None = None

    def note_new_session(self, number: int) -> None:
        self._sessions[number] = []

    def note_new_run(self, number: int, run: int) -> None:
        self._runs[number, run] = None

    def note_sessions(self, numbers: Iterable[int]) -> None:
        """Note the shares of sessions in the facets; call before these change."""
        unknown = [number for number in numbers if number not in self._sessions]
        self._sessions.update(self._read_sessions(unknown))

    def note_runs(self, keys: Iterable[RunKey]) -> None:
        """Note the shares of runs in the sums of usage; call before these change."""
        unknown = [key for key in keys if key not in self._runs]
        self._runs.update(self._read_runs(unknown))

    def note_runs_of(self, number: int) -> None:
        """Note the shares of all runs and requests of a session; call before its agent changes."""
        for row in self._connection.execute(_RUNS_OF, {"number": number}):
            self._runs.setdefault((row.session_number, row.run), row)
        for row in self._connection.execute(_FACTS_OF, {"number": number}):
            self._facts.setdefault(row.request_key, row)

    def note_facts(self, keys: Iterable[str]) -> None:
        """Note the shares of model requests in the sums of usage; call before these change."""
        unknown = [key for key in keys if key not in self._facts]
        self._facts.update(self._read_facts(unknown))

    def note_new_facts(self, keys: Iterable[str]) -> None:
        """Note model requests that are not stored yet."""
        for key in keys:
            self._facts.setdefault(key, None)

    def note_new_facts_after(self, number: int) -> None:
        """Note that all sessions after a session number are new, with their requests."""
        self._new_facts_after = number

    def write(self) -> None:
        """Add the differences to the sums. Call at the end of the transaction."""
        if self._sessions:
            self._write_facets()
        if self._runs or self._facts:
            self._write_usage()

    def _write_facets(self) -> None:
        after = self._read_sessions(list(self._sessions))
        changes: _Changes = defaultdict(lambda: [0])
        for shares, sign in ((self._sessions, -1), (after, 1)):
            for row in (row for rows in shares.values() for row in rows):
                changes[row.kind, row.value][0] += sign
        self._add(facets, changes)

    def _write_usage(self) -> None:
        changes: _Changes = defaultdict(lambda: [0] * len(SUM_COLUMNS))
        for runs_noted, sign in ((self._runs, -1), (self._read_runs(list(self._runs)), 1)):
            for key, shares in _shares_by("hour", runs_noted.values()).items():
                _count(changes[key], shares, sign)
        for facts_noted, sign in ((self._facts, -1), (self._read_facts(list(self._facts)), 1)):
            for key, shares in _shares_by("hour", facts_noted.values()).items():
                _count(changes[key], shares, sign)
            for key, shares in _shares_by("hour_of_run", facts_noted.values()).items():
                _take(changes[key], shares, sign)
        if self._new_facts_after is not None:
            for row in self._connection.execute(sums_of_facts_after(self._new_facts_after)):
                _count(changes[row.hour, row.agent_name], [row[-len(SUM_COLUMNS) :]], 1)
        self._add(usage_sums, changes)

    def _read_sessions(self, numbers: Sequence[int]) -> dict[int, list[Row[Any]]]:
        found: dict[int, list[Row[Any]]] = {number: [] for number in numbers}
        for some in _in_chunks(numbers):
            for row in self._connection.execute(_FACETS, {"numbers": some}):
                found[row.session_number].append(row)
        return found

    def _read_runs(self, keys: Sequence[RunKey]) -> dict[RunKey, Row[Any] | None]:
        found: dict[RunKey, Row[Any] | None] = dict.fromkeys(keys)
        for some in _in_chunks(keys):
            numbers, of_runs = (list(set(each)) for each in zip(*some, strict=True))
            # Directly to the driver, because appends need this query.
            statement = _runs_in(self._connection.dialect, len(numbers), len(of_runs))
            for row in self._connection.exec_driver_sql(statement, (*numbers, *of_runs)):
                if (row.session_number, row.run) in found:
                    found[row.session_number, row.run] = row
        return found

    def _read_facts(self, keys: Sequence[str]) -> dict[str, Row[Any] | None]:
        found: dict[str, Row[Any] | None] = dict.fromkeys(keys)
        for some in _in_chunks(keys):
            statement = _facts_in(self._connection.dialect, len(some))
            for row in self._connection.exec_driver_sql(statement, tuple(some)):
                found[row.request_key] = row
        return found

    def _add(self, table: Table, changes: Mapping[tuple[Any, ...], list[int]]) -> None:
        """Add to the sums in a table, and delete the sums that no longer have a share.

        The order does not matter: only one transaction writes at a time, on both databases.
        """
        added, left = [], []
        for key, differences in changes.items():
            if any(differences):
                bounded = (max(-MAX_SUM, min(each, MAX_SUM)) for each in differences)
                added.append(dict(zip(table.c.keys(), (*key, *bounded), strict=True)))
            if min(differences[: len(SHARE_COLUMNS)]) < 0:
                left.append(dict(zip(map(_bound, _keys(table)), key, strict=True)))
        if added:
            self._connection.execute(_ADD[table.name], added)
        if left:
            self._connection.execute(_DELETE_EMPTY[table.name], left)


def _shares_by(hour: str, rows: Iterable[Row[Any] | None]) -> dict[tuple[Any, ...], list[_Share]]:
    """Return the shares in the sums of each hour and agent; a row without an hour has none."""
    shares: dict[tuple[Any, ...], list[_Share]] = defaultdict(list)
    for row in rows:
        if row is not None and row.hour is not None:
            shares[getattr(row, hour), row.agent_name].append(row[-len(SUM_COLUMNS) :])
    return shares


def _count(sums: list[int], shares: Sequence[_Share], sign: int) -> None:
    for place, counts in enumerate(zip(*shares, strict=True)):
        sums[place] += sign * sum(map(int, counts))


def _take(sums: list[int], shares: Sequence[_Share], sign: int) -> None:
    """Take the usage of requests from the hour of their run."""
    for place, counts in enumerate(zip(*shares, strict=True)):
        if _IS_USAGE[place]:
            sums[place] -= sign * sum(map(int, counts))


def _runs_in(dialect: Dialect, numbers: int, of_runs: int) -> str:
    """Return the query for the shares of runs, with a mark for each number.

    It also finds other runs with these numbers: SQLite uses no index for a list of pairs.
    """
    first, second = (_marks(dialect, count) for count in (numbers, of_runs))
    where = f" WHERE runs.session_number IN ({first}) AND runs.run IN ({second})"
    return _text_of(RUN_SHARES, dialect) + where


def _facts_in(dialect: Dialect, count: int) -> str:
    """Return the query for the shares of model requests, with a mark for each key."""
    where = f" WHERE usage_facts.request_key IN ({_marks(dialect, count)})"
    return _text_of(FACT_SHARES, dialect) + where


def _marks(dialect: Dialect, count: int) -> str:
    return ", ".join(["?" if dialect.paramstyle == "qmark" else "%s"] * count)


@lru_cache
def _text_of(shares: Select[Any], dialect: Dialect) -> str:
    return str(shares.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _in_chunks(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        yield keys[start : start + _KEYS_AT_ONCE]


def _keys(table: Table) -> list[str]:
    return [column.name for column in table.primary_key]


def _bound(key: str) -> str:
    return f"of_{key}"


def _adding(table: Table) -> str:
    """Return the statement that adds to a row of sums, or inserts it.

    A sum ends at `MAX_SUM` and at -`MAX_SUM`.
    """
    names, keys = table.c.keys(), _keys(table)
    sums = [(name, f"{table.name}.{name} + excluded.{name}") for name in names if name not in keys]
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES (:{', :'.join(names)})"
        f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET "
    ) + ", ".join(
        f"{name} = CASE WHEN {added} > {MAX_SUM} THEN {MAX_SUM}"
        f" WHEN {added} < -{MAX_SUM} THEN -{MAX_SUM} ELSE {added} END"
        for name, added in sums
    )


_TABLES = {
    facets: facets.c.sessions <= 0,
    usage_sums: (usage_sums.c.runs <= 0) & (usage_sums.c.requests <= 0),
}
"""The tables of sums, each with the condition that a sum has no share."""
_ADD = {table.name: text(_adding(table)) for table in _TABLES}
_DELETE_EMPTY = {
    table.name: delete(table).where(
        and_(*(table.c[name] == bindparam(_bound(name)) for name in _keys(table))), is_empty
    )
    for table, is_empty in _TABLES.items()
}
