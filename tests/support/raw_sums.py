"""The lists and sums of a store, computed in Python from the rows of its sessions and runs."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from agent_session_manager.domain.session import State
from agent_session_manager.sql.schema.rows import USAGE_COLUMNS, to_moment
from agent_session_manager.sql.schema.tables import facets, runs, sessions, usage_sums
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.queries import SessionFilter, SessionSort

Rows = list[dict[str, Any]]
ENDS = {
    "completed": "finished",
    "failed": "failed",
    "timeout": "failed",
    "budget": "failed",
    "stopped": "stopped",
    "lost": "lost",
}
NAMES = ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Australia/Lord_Howe")
ZONES: list[tzinfo] = [
    *map(ZoneInfo, NAMES),
    timezone(timedelta(minutes=7)),
    timezone(-timedelta(hours=23)),
]
BUCKETS = {timedelta(days=1): timedelta(days=400), timedelta(hours=1): timedelta(days=14)}
"""The buckets that the API offers, each with the longest time that it sums up."""


def read_rows(store: SqlStore, table: Any) -> Rows:
    with store._database.reading.connect() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def check_lists(store: SqlStore) -> None:
    """Check the filter of states, the order of costs and the facets against the raw rows."""
    raw = read_rows(store, sessions)
    newest = {(run["session_number"], run["run"]): run["reason"] for run in read_rows(store, runs)}
    states: dict[str, list[str]] = {state.value: [] for state in State}
    for row in sorted(raw, key=lambda row: -row["number"]):
        reason = newest[row["number"], row["last_run"]]
        state = "running" if row["status"] == "running" else ENDS[reason]
        states[state].append(row["session_id"])
    assert {state.value: listed(store, state=state) for state in State} == states
    costs = sorted(raw, key=lambda row: (-row["cost_nanodollars"], -row["number"]))
    assert listed(store, SessionSort.COST) == [row["session_id"] for row in costs]
    for limit in (2, 200):
        found = store.statistics.list_facets(limit=limit)
        for kind, column in (("projects", "project_dir"), ("agents", "agent_name")):
            values = [row[column] for row in raw if row["archived_at"] is None]
            counted = Counter(value for value in values if value is not None)
            expected = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:limit]
            assert [(each.value, each.count) for each in getattr(found, kind)] == expected


def listed(store: SqlStore, sort: SessionSort = SessionSort.CREATED, **where: Any) -> list[str]:
    page = store.list_sessions(SessionFilter(**where), limit=1000, sort=sort)
    return [session.session_id for session in page.sessions]


def check_usage(store: SqlStore, now: datetime, since: datetime, zone: tzinfo) -> None:
    """Check the sums of usage against the raw rows; `since` is moved to where the API allows it."""
    agents = {row["number"]: row["agent_name"] for row in read_rows(store, sessions)}
    raw = read_rows(store, runs)
    for bucket, longest in BUCKETS.items():
        first = max(since, now - longest)
        expected: dict[tuple[datetime, str], Counter[str]] = {}
        for run in raw:
            started_at = to_moment(run["started_at"])
            if started_at < first:
                continue
            agent_name = agents[run["session_number"]] or ""
            key = (_bucket_start(started_at, bucket, zone), agent_name)
            counts = expected.setdefault(key, Counter())
            counts.update({"runs": 1, ENDS.get(run["reason"], "running"): 1})
            counts.update({name: run[name] for name in USAGE_COLUMNS})
        found = store.statistics.sum_usage(since=first, bucket=bucket, zone=zone)
        assert [
            (row.start, row.agent_name or "", row.runs, row.failed, row.stopped, row.lost)
            + tuple(getattr(row.usage, name) for name in USAGE_COLUMNS)
            for row in found
        ] == [
            (*key, *(counts[name] for name in ("runs", "failed", "stopped", "lost")))
            + tuple(counts[name] for name in USAGE_COLUMNS)
            for key, counts in sorted(expected.items())
        ], (bucket, first, zone)


def _bucket_start(moment: datetime, bucket: timedelta, zone: tzinfo) -> datetime:
    local = moment.astimezone(zone)
    hour = local.replace(minute=0, second=0, microsecond=0)
    if bucket == timedelta(days=1):
        return hour.replace(hour=0, fold=0).astimezone(UTC)
    return hour.replace(tzinfo=UTC) - (local.utcoffset() or timedelta())


def derived_rows(store: SqlStore) -> list[Any]:
    """Return all derived values that a store has kept."""
    states = [(row["session_id"], row["state"]) for row in read_rows(store, sessions)]
    tables = [read_rows(store, table) for table in (facets, usage_sums)]
    return [sorted(states), *(sorted(rows, key=repr) for rows in tables)]
