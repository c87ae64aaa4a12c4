"""Reports of usage: when it was used, by which group, and where its cost is from."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from agent_session_manager.domain.sessions.session import Usage
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.statistics import UsageBucket, UsageGroup, UsageQuery, UsageReport
from tests.store.conftest import OpenStores
from tests.store.promises.changes import append, create
from tests.store.promises.events import used
from tests.store.promises.stepped_clock import START
from tests.store.test_usage_facts import asked
from tests.support.doubled_price import doubled

DAY = timedelta(days=1)
MIDNIGHT = START.replace(hour=0, minute=0, second=0, microsecond=0)


def report(
    store: SqlStore,
    group: UsageGroup,
    bucket: UsageBucket = UsageBucket.ALL,
    *,
    until: datetime | None = None,
    limit: int = 100,
) -> UsageReport:
    return store.statistics.report_usage(
        UsageQuery(since=MIDNIGHT, until=until, bucket=bucket, zone=UTC, group=group, limit=limit)
    )


def at(moment: datetime, key: str, **fields: Any) -> dict[str, Any]:
    return asked(f"some-agent:{key}", timestamp=moment.isoformat(), **fields)


def test_usage_of_a_long_session_is_on_the_days_of_its_requests(store: SqlStore) -> None:
    create(store, agent_name="x")
    append(store, at(START, "1"), at(START + DAY, "2"), at(START + 2 * DAY, "3"))
    append(store, {"event_type": "usage", "usage": {"input_tokens": 10, "cost_microdollars": 5}})
    expected = {
        MIDNIGHT: Usage(
            input_tokens=4, output_tokens=-8, cost_nanodollars=5000, unpriced_tokens=-14
        ),
        MIDNIGHT + DAY: Usage(input_tokens=3, output_tokens=4, unpriced_tokens=7),
        MIDNIGHT + 2 * DAY: Usage(input_tokens=3, output_tokens=4, unpriced_tokens=7),
    }
    stored = store.statistics.sum_usage(since=MIDNIGHT, bucket=DAY, zone=UTC)
    assert {row.start: row.usage for row in stored} == expected
    assert [(row.runs, row.requests) for row in stored] == [(1, 1), (0, 1), (0, 1)]
    found = report(store, UsageGroup.NONE, UsageBucket.DAY)
    assert {row.start: row.usage for row in found.rows} == expected
    assert found.total.usage == store.get_session("s").usage
    before = report(store, UsageGroup.NONE, until=START + DAY)
    assert before.total.usage == expected[MIDNIGHT]


def test_cost_tells_its_sources(database_url: str, open_stores: OpenStores) -> None:
    store = open_stores(database_url, price_of=doubled)
    create(store, "a")
    append(
        store,
        at(START, "1", model="known"),
        at(START, "2", model="unknown"),
        at(START, "3", usage={"input_tokens": 1, "cost_microdollars": 3}, model="known"),
        session_id="a",
    )
    create(store, "b")
    append(store, at(START, "4", model="known"), used(9), session_id="b")
    priced = report(store, UsageGroup.SESSION)
    assert [
        (row.session_id, row.agent_cost_nanodollars, row.table_cost_nanodollars)
        for row in priced.rows
    ] == [("b", 90_000, 0), ("a", 3000, 14)]
    total = priced.total
    assert (total.agent_cost_nanodollars, total.table_cost_nanodollars) == (93_000, 14)
    assert (total.oldest_prices, total.newest_prices) == (date(2026, 1, 2), date(2026, 1, 2))
    assert total.requests == 4
    assert [(row.open_runs, row.unpriced_runs) for row in priced.rows] == [(1, 0), (1, 1)]
    append(store, {"event_type": "session_stop", "reason": "completed"}, session_id="a")
    total = report(store, UsageGroup.NONE).total
    assert (total.open_runs, total.unpriced_runs) == (1, 1)
    by_model = {row.model: row for row in report(store, UsageGroup.MODEL).rows}
    assert by_model.keys() == {"known", "unknown", None}
    assert by_model["unknown"].usage.unpriced_tokens == 7
    assert by_model["unknown"].oldest_prices is None
    assert by_model["known"].usage.cost_nanodollars == 14 + 3000 + 14


def test_tree_has_the_usage_of_all_its_sessions(store: SqlStore) -> None:
    parents = {
        "root": None,
        "child": "root",
        "grandchild": "child",
        "orphan": "gone",
        "other": None,
    }
    for tokens, (session_id, parent) in enumerate(parents.items(), 1):
        create(store, session_id, parent_session_id=parent)
        append(store, used(10**tokens), session_id=session_id)
    found = report(store, UsageGroup.TREE)
    assert [(row.session_id, row.usage.input_tokens) for row in found.rows] == [
        ("other", 100_000),
        ("orphan", 10_000),
        ("root", 1110),
    ]


def test_sessions_that_are_their_own_ancestors_have_a_root(store: SqlStore) -> None:
    for session_id, parent in {"a": "b", "b": "c", "c": "b", "self": "self"}.items():
        create(store, session_id, parent_session_id=parent)
        append(store, used(1), session_id=session_id)
    found = report(store, UsageGroup.TREE)
    assert [(row.session_id, row.runs) for row in found.rows] == [("b", 3), ("self", 1)]


def test_total_counts_the_rows_that_are_left_out(store: SqlStore) -> None:
    for tokens in range(1, 5):
        create(store, str(tokens))
        append(store, used(tokens), session_id=str(tokens))
    found = report(store, UsageGroup.SESSION, limit=2)
    assert [row.session_id for row in found.rows] == ["4", "3"]
    assert (found.left_out, found.total.usage.input_tokens, found.total.runs) == (2, 10, 4)
