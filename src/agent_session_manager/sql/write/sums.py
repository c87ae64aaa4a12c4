"""Keeping the facets and the sums of usage in step with the record.

A transaction notes the shares of sessions and runs in the sums before it changes them. At its end
it reads their shares again and adds the differences to the sums. So the sums do not depend on how a
change is made, and a transaction without noted shares executes no statement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Row, Table, and_, bindparam, delete, select, text

from agent_session_manager.sql.schema.derived import (
    MAX_SUM,
    RUN_SHARES,
    SESSION_SHARES,
    SUM_COLUMNS,
)
from agent_session_manager.sql.schema.tables import facets, runs, usage_sums

RunKey = tuple[int, int]
"""The number of a session, and the number of a run in it."""
_Changes = dict[tuple[Any, ...], list[int]]
"""The differences to add to the columns of a sum, for each key."""

_KEYS_AT_ONCE = 200
_shares = SESSION_SHARES.subquery()
_FACETS = select(_shares).where(
    _shares.c.session_number.in_(bindparam("numbers", expanding=True)),
)
_RUNS_OF = RUN_SHARES.where(runs.c.session_number == bindparam("number"))


class Sums:
    """The sums as one transaction changes them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sessions: dict[int, list[Row[Any]]] = {}
        self._runs: dict[RunKey, Row[Any] | None] = {}

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
        """Note the shares of all runs of a session; call before its agent changes."""
        for row in self._connection.execute(_RUNS_OF, {"number": number}):
            self._runs.setdefault((row.session_number, row.run), row)

    def write(self) -> None:
        """Add the differences to the sums. Call at the end of the transaction."""
        if self._sessions:
            self._write_facets()
        if self._runs:
            self._write_usage()

    def _write_facets(self) -> None:
        after = self._read_sessions(list(self._sessions))
        changes: _Changes = defaultdict(lambda: [0])
        for shares, sign in ((self._sessions, -1), (after, 1)):
            for row in (row for rows in shares.values() for row in rows):
                changes[row.kind, row.value][0] += sign
        self._add(facets, changes)

    def _write_usage(self) -> None:
        after = self._read_runs(list(self._runs))
        changes: _Changes = defaultdict(lambda: [0] * len(SUM_COLUMNS))
        for shares, sign in ((self._runs, -1), (after, 1)):
            for row in shares.values():
                if row is None or row.hour is None:
                    continue
                sums = changes[row.hour, row.agent_name]
                for place, count in enumerate(row[-len(SUM_COLUMNS) :]):
                    sums[place] += sign * int(count)
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

    def _add(self, table: Table, changes: Mapping[tuple[Any, ...], list[int]]) -> None:
        """Add to the sums in a table, and delete the sums that no longer have a share.

        The order does not matter: only one transaction writes at a time, on both databases.
        """
        added, left = [], []
        for key, differences in changes.items():
            if any(differences):
                bounded = (max(-MAX_SUM, min(each, MAX_SUM)) for each in differences)
                added.append(dict(zip(table.c.keys(), (*key, *bounded), strict=True)))
            if differences[0] < 0:
                left.append(dict(zip(map(_bound, _keys(table)), key, strict=True)))
        if added:
            self._connection.execute(_ADD[table.name], added)
        if left:
            self._connection.execute(_DELETE_EMPTY[table.name], left)


def _runs_in(dialect: Dialect, numbers: int, of_runs: int) -> str:
    """Return the query for the shares of runs, with a mark for each number.

    It also finds other runs with these numbers: SQLite uses no index for a list of pairs.
    """
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    first, second = (", ".join([mark] * count) for count in (numbers, of_runs))
    where = f" WHERE runs.session_number IN ({first}) AND runs.run IN ({second})"
    return _run_shares(dialect) + where


@lru_cache
def _run_shares(dialect: Dialect) -> str:
    return str(RUN_SHARES.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _in_chunks(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        yield keys[start : start + _KEYS_AT_ONCE]


def _keys(table: Table) -> list[str]:
    return [column.name for column in table.primary_key]


def _bound(key: str) -> str:
    return f"of_{key}"


def _adding(table: Table) -> str:
    """Return the statement that adds to a row of sums, or inserts it. A sum ends at `MAX_SUM`."""
    names, keys = table.c.keys(), _keys(table)
    sums = [(name, f"{table.name}.{name} + excluded.{name}") for name in names if name not in keys]
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES (:{', :'.join(names)})"
        f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET "
    ) + ", ".join(
        f"{name} = CASE WHEN {added} > {MAX_SUM} THEN {MAX_SUM} ELSE {added} END"
        for name, added in sums
    )


_TABLES = {facets: facets.c.sessions, usage_sums: usage_sums.c.runs}
"""The tables of sums, each with the column that counts the shares in a sum."""
_ADD = {table.name: text(_adding(table)) for table in _TABLES}
_DELETE_EMPTY = {
    table.name: delete(table).where(
        and_(*(table.c[name] == bindparam(_bound(name)) for name in _keys(table))), count <= 0
    )
    for table, count in _TABLES.items()
}
