"""Usage by project, agent, model, session or tree of sessions, in SQL for both databases.

These sums are read from runs and requests, so all of them have the same total. The time that it
takes grows with the number of requests in the period.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    null,
    select,
)

from agent_session_manager.domain.sessions.session import Usage
from agent_session_manager.domain.zones import Span, day_start, spans_of
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.derived import (
    COUNTED,
    FACT_COUNTED,
    STARTED_BEFORE,
    SUM_COLUMNS,
    USAGE_SHARES,
    Shares,
    capped_sum,
)
from agent_session_manager.sql.schema.tables import AGENT, runs, sessions, usage_facts
from agent_session_manager.store.statistics import (
    UsageBucket,
    UsageGroup,
    UsageQuery,
    UsageReport,
    UsageTotal,
)

MAX_DAYS_OF_REPORT = 50_000
"""Number of days in which changes of the time zone's offset are searched: about 136 years."""
_DAYS = {UsageBucket.HOUR: timedelta(hours=1), UsageBucket.DAY: timedelta(days=1)}
_WEEK = timedelta(days=7)
_MONDAY = timedelta(days=3)
"""Time from the Monday before 1970 to 1970."""
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_IDS_AT_ONCE = 500

_begin, _end, _size, _shift = (
    bindparam(name, type_=BigInteger) for name in ("begin", "end", "size", "shift")
)
_FROM_TABLE = and_(usage_facts.c.cost_source == "table", ~usage_facts.c.covered)
_TABLE_COST = case((_FROM_TABLE, FACT_COUNTED["cost_nanodollars"]), else_=0)
_PRICES_AS_OF = case((_FROM_TABLE, usage_facts.c.prices_as_of), else_=null())
_STATES_OF_RUNS = (runs.c.reason.is_(None), COUNTED["unpriced_tokens"] > 0)
"""Whether a run is open, and whether it used tokens of unknown cost."""
_MOMENTS = [
    select(moment).where(moment >= 0, moment < STARTED_BEFORE).limit(1)
    for moment in (runs.c.started_at, usage_facts.c.occurred_at)
]
_FIRST = [query.order_by(literal_column("1")) for query in _MOMENTS]
_LAST = [query.order_by(literal_column("1").desc()) for query in _MOMENTS]
"""The first and the last valid moments of runs and of requests, each from its index."""
_SESSIONS = select(
    sessions.c.number, sessions.c.session_id, sessions.c.session_name, sessions.c.parent_session_id
)
_OF_NUMBERS = _SESSIONS.where(sessions.c.number.in_(bindparam("keys", expanding=True)))
_OF_IDS = _SESSIONS.where(sessions.c.session_id.in_(bindparam("keys", expanding=True)))


def _key_of(group: UsageGroup, shares: Shares) -> ColumnElement[Any]:
    match group:
        case UsageGroup.NONE:
            return literal(None, String)
        case UsageGroup.PROJECT:
            return sessions.c.project_dir
        case UsageGroup.AGENT:
            return AGENT
        case UsageGroup.MODEL:
            return usage_facts.c.model if shares.is_at_its_time else literal(None, String)
        case UsageGroup.SESSION | UsageGroup.TREE:
            return sessions.c.number


def _query(group: UsageGroup, shares: Shares) -> Select[Any]:
    """Return the query for the sums of some shares between two moments, by bucket and group."""
    number = ((shares.moment + _shift) // _size).label("bucket")
    key = _key_of(group, shares).label("key")
    of_table: tuple[ColumnElement[Any], ...] = (literal(0), literal(None), literal(None))
    if shares.is_at_its_time:
        of_table = (
            capped_sum(_TABLE_COST),
            func.min(_PRICES_AS_OF),
            func.max(_PRICES_AS_OF),
        )
    states: tuple[ColumnElement[Any], ...] = (literal(0), literal(0))
    if shares.counted is COUNTED:
        states = tuple(func.sum(case((is_so, 1), else_=0)) for is_so in _STATES_OF_RUNS)
    names = ("table_cost", "oldest", "newest", "open_runs", "unpriced_runs")
    return (
        select(
            number,
            key,
            *(each.label(name) for name, each in zip(names, (*of_table, *states), strict=True)),
            *(capped_sum(shares.counted[name]).label(name) for name in SUM_COLUMNS),
        )
        .select_from(shares.source)
        .where(shares.moment >= _begin, shares.moment < _end, *shares.conditions)
        .group_by(number, key)
    )


@cache
def _queries_of(group: UsageGroup) -> list[Select[Any]]:
    """Return the queries of a group. To build those of all groups is a tenth of a start."""
    return [_query(group, shares) for shares in USAGE_SHARES]


class _Key(NamedTuple):
    """The bucket and the group of a row, and the name of the group's session."""

    start: datetime
    value: str | None
    session_name: str | None = None


@dataclass
class _Sums:
    counts: list[int] = field(default_factory=lambda: [0] * len(SUM_COLUMNS))
    table_cost: int = 0
    open_runs: int = 0
    unpriced_runs: int = 0
    prices: set[date] = field(default_factory=set)

    def add(self, other: _Sums) -> None:
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.table_cost += other.table_cost
        self.open_runs += other.open_runs
        self.unpriced_runs += other.unpriced_runs
        self.prices |= other.prices

    def to_total(self, **named: Any) -> UsageTotal:
        runs, requests, failed, stopped, lost, *usage = self.counts
        return UsageTotal(
            runs=runs,
            requests=requests,
            failed=failed,
            stopped=stopped,
            lost=lost,
            open_runs=self.open_runs,
            unpriced_runs=self.unpriced_runs,
            usage=Usage(**dict(zip(rows.USAGE_COLUMNS, usage, strict=True))),
            table_cost_nanodollars=self.table_cost,
            oldest_prices=min(self.prices, default=None),
            newest_prices=max(self.prices, default=None),
            **named,
        )


def report_usage(connection: Connection, query: UsageQuery) -> UsageReport:
    """Return the usage of a period by bucket and group, and its total."""
    sums: dict[tuple[datetime, Any], _Sums] = {}
    total = _Sums()
    for start, key, found in _read(connection, query):
        sums.setdefault((start, key), _Sums()).add(found)
        total.add(found)
    by_group: dict[_Key, _Sums] = {}
    for place, each in _by_key(connection, query.group, sums):
        by_group.setdefault(place, _Sums()).add(each)
    totals = [_to_row(query.group, place, each) for place, each in by_group.items()]
    totals.sort(key=_order)
    return UsageReport(
        rows=totals[: query.limit],
        left_out=max(len(totals) - query.limit, 0),
        total=total.to_total(start=query.since),
    )


def _read(connection: Connection, query: UsageQuery) -> Iterator[tuple[datetime, Any, _Sums]]:
    spans = _spans_of(connection, query)
    last = STARTED_BEFORE
    if query.until is not None:
        last = min(last, rows.to_microseconds(query.until))
    ends = [*(rows.to_microseconds(span.begin) for span in spans[1:]), last]
    for span, end in zip(spans, ends, strict=True):
        begin = rows.to_microseconds(span.begin)
        size, shift = _measure(query.bucket, span.offset)
        bound = {"begin": begin, "end": min(end, last), "size": size, "shift": shift}
        for statement in _queries_of(query.group):
            for bucket, key, *found in connection.execute(statement, bound):
                yield _start_of(query, bucket, span.offset), key, _to_sums(found)


def _to_sums(found: Sequence[Any]) -> _Sums:
    table_cost, oldest, newest, open_runs, unpriced_runs, *counts = found
    return _Sums(
        counts=list(map(int, counts)),
        table_cost=int(table_cost),
        open_runs=int(open_runs),
        unpriced_runs=int(unpriced_runs),
        prices={*_dates(oldest, newest)},
    )


def _spans_of(connection: Connection, query: UsageQuery) -> list[Span]:
    """Return the spans of one offset each, from `since` until the last usage."""
    if query.bucket is UsageBucket.ALL:
        return spans_of(query.zone, query.since, 0)
    first = min(_read_moments(connection, _FIRST), default=query.since)
    last = max(_read_moments(connection, _LAST), default=first)
    since = max(query.since, first - timedelta(days=2))
    days = min(max((last - since).days, 0) + 2, MAX_DAYS_OF_REPORT)
    return spans_of(query.zone, since, days)


def _read_moments(connection: Connection, queries: Sequence[Select[Any]]) -> Iterator[datetime]:
    for query in queries:
        found = connection.scalar(query)
        if found is not None:
            yield rows.to_moment(int(found))


def _measure(bucket: UsageBucket, offset: timedelta) -> tuple[int, int]:
    """Return the length of a bucket, and what to add to a moment before a division by it."""
    match bucket:
        case UsageBucket.ALL:
            return 2 * STARTED_BEFORE, STARTED_BEFORE
        case UsageBucket.WEEK:
            return _WEEK // _MICROSECOND, (offset + _MONDAY) // _MICROSECOND
        case UsageBucket.DAY | UsageBucket.HOUR:
            return _DAYS[bucket] // _MICROSECOND, offset // _MICROSECOND


def _start_of(query: UsageQuery, number: int, offset: timedelta) -> datetime:
    match query.bucket:
        case UsageBucket.ALL:
            return query.since
        case UsageBucket.HOUR:
            return _EPOCH + number * _DAYS[UsageBucket.HOUR] - offset
        case UsageBucket.DAY:
            return day_start(query.zone, _EPOCH + number * _DAYS[UsageBucket.DAY])
        case UsageBucket.WEEK:
            return day_start(query.zone, _EPOCH + number * _WEEK - _MONDAY)


def _dates(*texts: Any) -> Iterator[date]:
    """Yield the dates. A damaged date is left out."""
    for text in texts:
        with suppress(ValueError, TypeError):
            yield date.fromisoformat(text)


def _by_key(
    connection: Connection, group: UsageGroup, sums: dict[tuple[datetime, Any], _Sums]
) -> Iterator[tuple[_Key, _Sums]]:
    if group not in (UsageGroup.SESSION, UsageGroup.TREE):
        for (start, value), each in sums.items():
            yield _Key(start, None if value is None else rows.readable_text(value)), each
        return
    found = {row.number: row for row in _find(connection, _OF_NUMBERS, {n for _, n in sums})}
    roots = _roots(connection, list(found.values())) if group is UsageGroup.TREE else found
    for (start, number), each in sums.items():
        root = roots[number]
        yield _Key(start, root.session_id, rows.readable_text(root.session_name)), each


def _find(connection: Connection, query: Select[Any], keys: set[Any]) -> Iterator[Any]:
    wanted = sorted(keys)
    for first in range(0, len(wanted), _IDS_AT_ONCE):
        yield from connection.execute(query, {"keys": wanted[first : first + _IDS_AT_ONCE]})


def _roots(connection: Connection, found: Sequence[Any]) -> dict[int, Any]:
    """Return the root of each session: the ancestor without a parent that exists.

    Of ancestors in a circle, the one with the lowest number is the root.
    """
    by_id = {row.session_id: row for row in found}
    missing = {row.parent_session_id for row in found} - by_id.keys() - {None}
    while missing:
        parents = {row.session_id: row for row in _find(connection, _OF_IDS, missing)}
        by_id |= parents
        missing = {row.parent_session_id for row in parents.values()} - by_id.keys() - {None}
    roots: dict[str, Any] = {}
    for row in found:
        _find_root(row, by_id, roots)
    return {row.number: roots[row.session_id] for row in found}


def _find_root(row: Any, by_id: dict[str, Any], roots: dict[str, Any]) -> None:
    """Add the root of a session, and of the sessions between both, to `roots`."""
    line: dict[str, Any] = {}
    while row.session_id not in line and row.session_id not in roots:
        line[row.session_id] = row
        row = by_id.get(row.parent_session_id, row)
    root = roots.get(row.session_id)
    if root is None:
        circle = list(line.values())[list(line).index(row.session_id) :]
        root = min(circle, key=lambda each: int(each.number))
    roots |= dict.fromkeys(line, root)


def _to_row(group: UsageGroup, place: _Key, sums: _Sums) -> UsageTotal:
    named: dict[str, Any] = {"start": place.start}
    match group:
        case UsageGroup.PROJECT:
            named["project_dir"] = place.value
        case UsageGroup.AGENT:
            named["agent"] = place.value
        case UsageGroup.MODEL:
            named["model"] = place.value
        case UsageGroup.SESSION | UsageGroup.TREE:
            named |= {"session_id": place.value, "session_name": place.session_name}
        case UsageGroup.NONE:
            pass
    return sums.to_total(**named)


def _order(row: UsageTotal) -> tuple[Any, ...]:
    """Return the place of a row: by time, the most expensive first."""
    names = (row.project_dir, row.agent, row.model, row.session_id)
    name = next((name for name in names if name is not None), "")
    return row.start, -row.usage.cost_nanodollars, -row.usage.tokens, name
