"""The lists and sums of a store, computed in Python from the rows of its sessions and runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from agent_session_manager.domain.sessions.session import State
from agent_session_manager.sql.schema.rows import USAGE_COLUMNS, to_moment
from agent_session_manager.sql.schema.tables import (
    events,
    facets,
    questions,
    runs,
    sessions,
    usage_facts,
    usage_sums,
)
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.queries import Order, SessionFilter, SessionSort

RUN_COUNTS = ("runs", "requests", "failed", "stopped", "lost")
PRICED = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
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
SORTED_BY = {
    SessionSort.CREATED: "list_order",
    SessionSort.ACTIVITY: "last_activity_at",
    SessionSort.NAME: "session_name",
    SessionSort.COST: "cost_nanodollars",
    SessionSort.TOOK: "took_microseconds",
}
BUCKETS = {timedelta(days=1): timedelta(days=400), timedelta(hours=1): timedelta(days=14)}
"""The buckets that the API offers, each with the longest time that it sums up."""


def read_rows(store: SqlStore, table: Any) -> Rows:
    with store._database.reading.connect() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def check_lists(store: SqlStore) -> None:
    """Check the filter of states, the order of costs and the facets against the raw rows."""
    raw = read_rows(store, sessions)
    newest = {(run["session_number"], run["run"]): run["reason"] for run in read_rows(store, runs)}
    asking = {number for number, _ in open_questions(store)}
    states: dict[str, list[str]] = {state.value: [] for state in State}
    for row in sorted(raw, key=lambda row: (-row["list_order"], -row["number"])):
        reason = newest[row["number"], row["last_run"]]
        asks = "waiting" if row["number"] in asking else "running"
        state = asks if row["status"] == "running" else ENDS[reason]
        states[state].append(row["session_id"])
    assert {state.value: listed(store, state=(state,)) for state in State} == states
    for sort, column in SORTED_BY.items():
        ids = [row["session_id"] for row in sorted(raw, key=itemgetter(column, "number"))]
        assert listed(store, sort, order=Order.ASCENDING) == ids, sort
        assert listed(store, sort, order=Order.DESCENDING) == ids[::-1], sort
    check_details(store, raw)
    for limit in (2, 200):
        found = store.statistics.list_facets(limit=limit)
        for kind, value_of in VALUES_OF_FACETS.items():
            values = [value_of(row) for row in raw if row["archived_at"] is None]
            counted = Counter(value for value in values if value is not None)
            expected = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:limit]
            assert [(each.value, each.count) for each in getattr(found, kind)] == expected


def check_details(store: SqlStore, raw: Rows) -> None:
    """Check what sessions show of all their runs and requests against the raw rows."""
    took: Counter[int] = Counter()
    hosts = {}
    for run in read_rows(store, runs):
        took[run["session_number"]] += (run["finished_at"] or run["started_at"]) - run["started_at"]
        hosts[run["session_number"], run["run"]] = run["host"]
    facts = sorted(read_rows(store, usage_facts), key=itemgetter("number"))
    models = {fact["session_number"]: fact["model"] for fact in facts if fact["model"] is not None}
    for row in raw:
        assert row["took_microseconds"] == took[row["number"]]
        assert row["host"] == hosts[row["number"], row["last_run"]]
        session = store.get_session(row["session_id"])
        assert session.took == timedelta(microseconds=took[row["number"]])
        assert session.model == models.get(row["number"])


def agent_of(session: dict[str, Any]) -> str | None:
    name: str | None = session["agent_name"]
    kind: str | None = session["executor"]
    return kind if name is None else name


VALUES_OF_FACETS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "projects": itemgetter("project_dir"),
    "agents": agent_of,
    "hosts": itemgetter("host"),
}


def listed(
    store: SqlStore,
    sort: SessionSort = SessionSort.CREATED,
    order: Order | None = None,
    **where: Any,
) -> list[str]:
    page = store.list_sessions(SessionFilter(**where), limit=1000, sort=sort, order=order)
    return [session.session_id for session in page.sessions]


def check_usage(store: SqlStore, now: datetime, since: datetime, zone: tzinfo) -> None:
    """Check the sums of usage against the raw rows; `since` is moved to where the API allows it."""
    agents = {row["number"]: agent_of(row) for row in read_rows(store, sessions)}
    shares = usage_shares(store)
    for bucket, longest in BUCKETS.items():
        first = max(since, now - longest)
        expected: dict[tuple[datetime, str], Counter[str]] = {}
        for share in shares:
            if share.moment < first:
                continue
            key = (bucket_start(share.moment, bucket, zone), agents[share.session_number] or "")
            expected.setdefault(key, Counter()).update(share.counts)
        found = store.statistics.sum_usage(since=first, bucket=bucket, zone=zone)
        assert [
            (row.start, row.agent or "", *(getattr(row, name) for name in RUN_COUNTS))
            + tuple(getattr(row.usage, name) for name in USAGE_COLUMNS)
            for row in found
        ] == [
            (*key, *(counts[name] for name in (*RUN_COUNTS, *USAGE_COLUMNS)))
            for key, counts in sorted(expected.items())
        ], (bucket, first, zone)


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of a session in sums of usage, at one moment."""

    session_number: int
    moment: datetime
    model: str | None
    counts: Counter[str]
    table_cost: int = 0
    prices_as_of: str | None = None


def usage_shares(store: SqlStore) -> list[Share]:
    """Return all shares: each request at its time, and the rest of each run at its start."""
    shares = []
    starts = {}
    rests: dict[tuple[int, int], Counter[str]] = {}
    for run in read_rows(store, runs):
        place = (run["session_number"], run["run"])
        starts[place] = to_moment(run["started_at"])
        end = ENDS.get(run["reason"], "running")
        rests[place] = Counter({"runs": 1, end: 1, **{n: run[n] for n in USAGE_COLUMNS}})
    for fact in read_rows(store, usage_facts):
        place = (fact["session_number"], fact["run"])
        usage = Counter({name: fact.get(name) or 0 for name in USAGE_COLUMNS})
        if fact["cost_nanodollars"] is None:
            usage["unpriced_tokens"] = sum(usage[name] for name in PRICED)
        rests[place].subtract(usage)
        occurred_at = fact["occurred_at"]
        is_priced = fact["cost_source"] == "table" and not fact["covered"]
        shares.append(
            Share(
                session_number=fact["session_number"],
                moment=starts[place] if occurred_at is None else to_moment(occurred_at),
                model=fact["model"],
                counts=usage + Counter(requests=1),
                table_cost=fact["cost_nanodollars"] if is_priced else 0,
                prices_as_of=fact["prices_as_of"] if is_priced else None,
            )
        )
    for place, counts in rests.items():
        shares.append(
            Share(session_number=place[0], moment=starts[place], model=None, counts=counts)
        )
    return shares


def bucket_start(moment: datetime, bucket: timedelta, zone: tzinfo) -> datetime:
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


def check_questions(store: SqlStore) -> None:
    """Check the open questions of all sessions against their events and newest runs."""
    found = [(row["session_number"], row["question_id"]) for row in read_rows(store, questions)]
    assert sorted(found) == sorted(open_questions(store))


def open_questions(store: SqlStore) -> Iterator[tuple[int, str]]:
    """Yield the session and the id of each question that is open in the record."""
    by_run = sorted(read_rows(store, runs), key=lambda row: row["run"])
    newest = {row["session_number"]: row for row in by_run}
    told = read_rows(store, events)
    names = {(each["session_number"], each["event_id"]) for each in told}
    for each in told:
        number, run = each["session_number"], newest[each["session_number"]]
        may_return = run["reason"] == "lost" and run["lease_holder"] is not None
        is_answerable = (run["finished_at"] is None or may_return) and not run["imported"]
        if each["event_type"] == "permission_request" and is_answerable:
            question_id = each["event_id"].removesuffix(":asked")
            if each["run"] == run["run"] and (number, f"{question_id}:decided") not in names:
                yield number, question_id
