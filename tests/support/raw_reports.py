"""The reports of usage of a store, computed in Python from its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from agent_session_manager.sql.schema.rows import USAGE_COLUMNS
from agent_session_manager.sql.schema.tables import sessions
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.statistics import UsageBucket, UsageGroup, UsageQuery, UsageTotal
from tests.support.raw_sums import (
    RUN_COUNTS,
    Share,
    agent_of,
    bucket_start,
    read_rows,
    usage_shares,
)

COUNTS = (*RUN_COUNTS, *USAGE_COLUMNS, "table_cost")
_GROUP_FIELDS = {
    UsageGroup.PROJECT: "project_dir",
    UsageGroup.AGENT: "agent",
    UsageGroup.MODEL: "model",
    UsageGroup.SESSION: "session_id",
    UsageGroup.TREE: "session_id",
}


def check_report(store: SqlStore, query: UsageQuery) -> None:
    """Check the report of a period against the raw rows."""
    key_of = _keys(store)[query.group]
    within = [
        share
        for share in usage_shares(store)
        if query.since <= share.moment and (query.until is None or share.moment < query.until)
    ]
    expected: dict[tuple[datetime, Any], list[Share]] = {}
    for share in within:
        expected.setdefault((_start(share.moment, query), key_of(share)), []).append(share)
    report = store.statistics.report_usage(query)
    name = _GROUP_FIELDS.get(query.group, "model")
    found = {(row.start, getattr(row, name)): _counts(row) for row in report.rows}
    assert found == {key: _summed(shares) for key, shares in expected.items()}, query
    assert len(report.rows) == len(found)
    assert _counts(report.total) == _summed(within)
    assert [row.start for row in report.rows] == sorted(row.start for row in report.rows)


def _start(moment: datetime, query: UsageQuery) -> datetime:
    if query.bucket is UsageBucket.ALL:
        return query.since
    if query.bucket is UsageBucket.HOUR:
        return bucket_start(moment, timedelta(hours=1), query.zone)
    local = moment.astimezone(query.zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if query.bucket is UsageBucket.WEEK:
        local -= timedelta(days=local.weekday())
    return local.astimezone(UTC)


def _summed(shares: list[Share]) -> tuple[Any, ...]:
    counts: Counter[str] = Counter()
    for share in shares:
        counts.update(share.counts)
        counts["table_cost"] += share.table_cost
    dates = [date.fromisoformat(share.prices_as_of) for share in shares if share.prices_as_of]
    return (*(counts[name] for name in COUNTS), min(dates, default=None), max(dates, default=None))


def _counts(row: UsageTotal) -> tuple[Any, ...]:
    return (
        *(getattr(row, name) for name in RUN_COUNTS),
        *(getattr(row.usage, name) for name in USAGE_COLUMNS),
        row.table_cost_nanodollars,
        row.oldest_prices,
        row.newest_prices,
    )


def _keys(store: SqlStore) -> dict[UsageGroup, Callable[[Share], Any]]:
    raw = {row["number"]: row for row in read_rows(store, sessions)}
    by_id = {row["session_id"]: row for row in raw.values()}

    def root(share: Share) -> str:
        row = raw[share.session_number]
        seen = [row]
        while (parent := by_id.get(row["parent_session_id"])) is not None:
            if parent in seen:
                circle = seen[seen.index(parent) :]
                return str(min(circle, key=lambda each: int(each["number"]))["session_id"])
            row = parent
            seen.append(row)
        return str(row["session_id"])

    return {
        UsageGroup.NONE: lambda _: None,
        UsageGroup.PROJECT: lambda share: raw[share.session_number]["project_dir"],
        UsageGroup.AGENT: lambda share: agent_of(raw[share.session_number]),
        UsageGroup.MODEL: lambda share: share.model,
        UsageGroup.SESSION: lambda share: raw[share.session_number]["session_id"],
        UsageGroup.TREE: root,
    }
