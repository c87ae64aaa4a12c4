"""Sums over runs and sessions, in SQL for both databases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, case, func, select

from agent_session_manager.domain.session import REASONS, State, Usage
from agent_session_manager.domain.zones import Span, day_start, spans_of
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import runs, sessions
from agent_session_manager.store.statistics import Facet, Facets, UsageRow

MAX_DAYS = 402
"""Number of days after `since` in which changes of the time zone's offset are searched."""
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTS = ("runs", "failed", "stopped", "lost")
MAX_COUNTED = 10**15
"""Maximum of tokens and costs of one run: the sum of thousands of runs still fits 64 bits."""
LAST_STARTED = rows.to_microseconds(datetime(9999, 12, 30, tzinfo=UTC))


class SqlStatistics:
    """Reads of a database, through the connections from `read`."""

    def __init__(self, read: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._read = read

    def sum_usage(self, *, since: datetime, bucket: timedelta, zone: tzinfo) -> list[UsageRow]:
        spans = spans_of(zone, since, MAX_DAYS)
        ends = [rows.to_microseconds(span.begin) for span in spans[1:]]
        sums: dict[tuple[datetime, str | None], UsageRow] = {}
        with self._read() as connection:
            for span, end in zip(spans, [*ends, None], strict=True):
                for row in connection.execute(_sum_of(span, end, bucket)):
                    start = _start_of(row.number * bucket, bucket, span, zone)
                    key = (start, row.agent_name)
                    found = _to_usage_row(row, start)
                    sums[key] = _added(sums[key], found) if key in sums else found
        return sorted(sums.values(), key=lambda row: (row.start, row.agent_name or ""))

    def list_facets(self, *, limit: int) -> Facets:
        with self._read() as connection:
            return Facets(
                projects=_most_frequent(connection, sessions.c.project_dir, limit),
                agents=_most_frequent(connection, sessions.c.agent_name, limit),
            )


def _sum_of(span: Span, end: int | None, bucket: timedelta) -> Select[Any]:
    """Sum the runs that began within a span of one offset, by bucket and agent."""
    size, shift = bucket // _MICROSECOND, span.offset // _MICROSECOND
    number = ((runs.c.started_at + shift) // size).label("number")
    query = (
        select(
            number,
            sessions.c.agent_name,
            func.count().label("runs"),
            *(_count(state) for state in (State.FAILED, State.STOPPED, State.LOST)),
            *(func.sum(_counted(runs.c[name])).label(name) for name in rows.USAGE_COLUMNS),
        )
        .join_from(runs, sessions, sessions.c.number == runs.c.session_number)
        .where(runs.c.started_at.between(rows.to_microseconds(span.begin), LAST_STARTED))
        .group_by(number, sessions.c.agent_name)
    )
    return query if end is None else query.where(runs.c.started_at < end)


def _start_of(local: timedelta, bucket: timedelta, span: Span, zone: tzinfo) -> datetime:
    """Return the start of the bucket whose local time is `local` after 1970."""
    if bucket < timedelta(days=1):
        return _EPOCH + local - span.offset
    return day_start(zone, _EPOCH + local)


def _to_usage_row(row: Row[Any], start: datetime) -> UsageRow:
    return UsageRow(
        start=start,
        agent_name=row.agent_name,
        runs=row.runs,
        failed=row.failed,
        stopped=row.stopped,
        lost=row.lost,
        usage=Usage(**{name: int(row._mapping[name]) for name in rows.USAGE_COLUMNS}),
    )


def _added(one: UsageRow, other: UsageRow) -> UsageRow:
    """Return the sum of the two parts of a day in which the clock changes."""
    counts = {name: getattr(one, name) + getattr(other, name) for name in _COUNTS}
    usage = {
        name: getattr(one.usage, name) + getattr(other.usage, name) for name in rows.USAGE_COLUMNS
    }
    return UsageRow(start=one.start, agent_name=one.agent_name, usage=Usage(**usage), **counts)


def _counted(column: Column[int]) -> ColumnElement[int]:
    """Return the count to add. A damaged count counts as 0, or the sum would overflow."""
    return case((column.between(0, MAX_COUNTED), column), else_=0)


def _count(state: State) -> ColumnElement[int]:
    reasons: Sequence[str] = [reason.value for reason in REASONS[state]]
    return func.sum(case((runs.c.reason.in_(reasons), 1), else_=0)).label(state.value)


def _most_frequent(connection: Connection, column: Column[Any], limit: int) -> list[Facet]:
    count = func.count().label("count")
    query = (
        select(column.label("value"), count)
        .where(column.is_not(None), sessions.c.archived_at.is_(None))
        .group_by(column)
        .order_by(count.desc(), column)
        .limit(limit)
    )
    found = connection.execute(query)
    return [Facet(value=row.value, count=row._mapping["count"]) for row in found]
