"""Sums over runs and sessions, in SQL for both databases.

Whole hours are read from the stored sums of usage. Runs and requests are read for parts of hours:
at the ends of a span, and for UTC hours in which a bucket begins, because of the offset of the time
zone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, partial
from operator import add
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    case,
    func,
    select,
)

from agent_session_manager.domain.sessions.session import Usage
from agent_session_manager.domain.zones import Span, day_start, spans_of
from agent_session_manager.sql.read.usage import report_usage
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.derived import (
    AGENT_OF_SUM,
    HOUR,
    MAX_SUM,
    STARTED_BEFORE,
    SUM_COLUMNS,
    USAGE_SHARES,
    Shares,
    capped_sum,
)
from agent_session_manager.sql.schema.tables import facets, usage_sums
from agent_session_manager.store.statistics import (
    Facet,
    Facets,
    UsageQuery,
    UsageReport,
    UsageRow,
)

MAX_DAYS = 402
"""Number of days after `since` in which changes of the time zone's offset are searched."""
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Queries are built on first use: all of them together would be a tenth of a manager's start.
Queries = list[Select[*tuple[Any, ...]]]

_begin, _end, _size, _shift = (
    bindparam(name, type_=BigInteger) for name in ("begin", "end", "size", "shift")
)


def _bucket_of(moment: ColumnElement[int]) -> ColumnElement[int]:
    return (moment + _shift) // _size


def _summed(
    moment: ColumnElement[int],
    agent: ColumnElement[str],
    sums: Mapping[str, ColumnElement[int]],
) -> Select[*tuple[Any, ...]]:
    """Return a query for sums by bucket and agent, between two moments."""
    number, key = _bucket_of(moment).label("number"), agent.label("agent")
    return (
        select(number, key, *(each.label(name) for name, each in sums.items()))
        .where(moment >= _begin, moment < _end)
        .group_by(number, key)
    )


_hour = usage_sums.c.hour
_is_whole = _bucket_of(_hour) == _bucket_of(_hour + (HOUR - 1))


def _summed_exactly(shares: Shares) -> Select[*tuple[Any, ...]]:
    sums = {name: capped_sum(shares.counted[name]) for name in SUM_COLUMNS}
    query = _summed(shares.moment, AGENT_OF_SUM, sums)
    return query.select_from(shares.source).where(*shares.conditions)


@cache
def _exact() -> Queries:
    return [_summed_exactly(shares) for shares in USAGE_SHARES]


@cache
def _of_split_hours() -> Queries:
    split = select(_hour).distinct().where(_hour >= _begin, _hour < _end, ~_is_whole).subquery()
    return [
        _summed_exactly(shares).join(
            split, shares.moment.between(split.c.hour, split.c.hour + (HOUR - 1))
        )
        for shares in USAGE_SHARES
    ]


@cache
def _of_whole_hours() -> Queries:
    """Return the query of the stored sums.

    A damaged sum counts as 0, or the sum of several would overflow.
    """
    sums = {
        name: func.sum(
            case((usage_sums.c[name].between(-MAX_SUM, MAX_SUM), usage_sums.c[name]), else_=0)
        )
        for name in SUM_COLUMNS
    }
    return [_summed(_hour, usage_sums.c.agent_name, sums).where(_is_whole)]


class SqlStatistics:
    """Reads of a database, through the connections from `read`."""

    def __init__(self, read: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._read = read

    def sum_usage(self, *, since: datetime, bucket: timedelta, zone: tzinfo) -> list[UsageRow]:
        spans = spans_of(zone, since, MAX_DAYS)
        ends = [rows.to_microseconds(span.begin) for span in spans[1:]]
        sums: dict[tuple[datetime, str], list[int]] = {}
        with self._read() as connection:
            for span, end in zip(spans, [*ends, STARTED_BEFORE], strict=True):
                start_of = cache(partial(_start_of, bucket=bucket, span=span, zone=zone))
                for number, agent, *counts in _read_sums(connection, span, end, bucket):
                    key = (start_of(number), rows.readable_text(agent))
                    before = sums.get(key)
                    sums[key] = counts if before is None else list(map(add, before, counts))
        return [_to_usage_row(*key, counts) for key, counts in sorted(sums.items())]

    def report_usage(self, query: UsageQuery) -> UsageReport:
        with self._read() as connection:
            return report_usage(connection, query)

    def list_facets(self, *, limit: int) -> Facets:
        with self._read() as connection:
            return Facets(
                projects=_most_frequent(connection, "project", limit),
                agents=_most_frequent(connection, "agent", limit),
                hosts=_most_frequent(connection, "host", limit),
            )


def _read_sums(
    connection: Connection, span: Span, end: int, bucket: timedelta
) -> Iterator[Row[*tuple[Any, ...]]]:
    """Yield the sums of usage within a span of one offset, by bucket and agent, in parts."""
    begin = rows.to_microseconds(span.begin)
    size, shift = bucket // _MICROSECOND, span.offset // _MICROSECOND
    # A run that began before 1970 is in no stored sum.
    first = min(max(-(-begin // HOUR) * HOUR, 0), end)
    last = max(end // HOUR * HOUR, first)
    parts = [(_exact, begin, first), (_of_whole_hours, first, last), (_exact, last, end)]
    if size % HOUR or shift % HOUR:
        parts.append((_of_split_hours, first, last))
    for queries, start, stop in parts:
        if start < stop:
            bound = {"begin": start, "end": stop, "size": size, "shift": shift}
            for query in queries():
                yield from connection.execute(query, bound)


def _start_of(number: int, *, bucket: timedelta, span: Span, zone: tzinfo) -> datetime:
    """Return the start of a bucket by its number, counted in local time from 1970."""
    local = number * bucket
    if bucket < timedelta(days=1):
        return _EPOCH + local - span.offset
    return day_start(zone, _EPOCH + local)


def _to_usage_row(start: datetime, agent: str, counts: Sequence[int]) -> UsageRow:
    runs, requests, failed, stopped, lost, *usage = map(int, counts)
    return UsageRow(
        start=start,
        agent=agent or None,
        runs=runs,
        requests=requests,
        failed=failed,
        stopped=stopped,
        lost=lost,
        usage=Usage(**dict(zip(rows.USAGE_COLUMNS, usage, strict=True))),
    )


def _most_frequent(connection: Connection, kind: str, limit: int) -> list[Facet]:
    query = (
        select(facets.c.value, facets.c.sessions)
        .where(facets.c.kind == kind)
        .order_by(facets.c.sessions.desc(), facets.c.value)
        .limit(limit)
    )
    return [
        Facet(
            value=rows.readable_text(row.value),
            count=row.sessions if type(row.sessions) is int else 0,
        )
        for row in connection.execute(query)
    ]
