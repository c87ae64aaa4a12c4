"""Facts of model requests: each request counts once over all sessions, and nothing is invented."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text

from agent_session_manager.domain.sessions.session import Usage
from agent_session_manager.sql.database.engines.open import open_database
from agent_session_manager.sql.migrations.run import run_migrations
from agent_session_manager.sql.schema.tables import usage_facts
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import DeleteSession
from tests.store.conftest import OpenStores
from tests.store.promises.changes import append, create, made
from tests.store.promises.events import used
from tests.store.transfer.exports import exported, imported
from tests.support.doubled_price import doubled
from tests.support.raw_sums import read_rows

KEY = "some-agent:r1"


def asked(key: str | None = KEY, /, **fields: Any) -> dict[str, Any]:
    usage = fields.pop("usage", {"input_tokens": 3, "output_tokens": 4})
    keyed = {} if key is None else {"request_key": key}
    return {"event_type": "usage", "request_id": "r", "usage": usage, **keyed, **fields}


def facts_of(store: SqlStore) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in row.items() if value is not None and name != "number"}
        for row in sorted(read_rows(store, usage_facts), key=lambda row: row["number"])
    ]


def usage_of(store: SqlStore, session_id: str) -> Usage:
    session = store.get_session(session_id)
    assert session.usage == session.newest_run.usage
    return session.usage


def test_request_of_two_sessions_counts_once(store: SqlStore) -> None:
    create(store, "a")
    create(store, "b")
    append(store, asked(), asked(None), session_id="a")
    append(store, asked(usage={"input_tokens": 99}), asked(None), session_id="b")
    assert usage_of(store, "a") == Usage(input_tokens=6, output_tokens=8, unpriced_tokens=14)
    assert usage_of(store, "b") == Usage(input_tokens=3, output_tokens=4, unpriced_tokens=7)
    assert [fact["request_key"] for fact in facts_of(store)] == [KEY, "/a/r", "/b/r"]


def test_unknown_values_of_a_request_stay_unknown(store: SqlStore) -> None:
    create(store)
    append(
        store,
        asked(
            usage={"output_tokens": 0, "cache_creation_1h_tokens": 5},
            model="m",
            speed=7,
            timestamp="2026-03-01T02:00:00+02:00",
        ),
    )
    assert facts_of(store) == [
        {
            "request_key": KEY,
            "session_number": 1,
            "run": 1,
            "covered": False,
            "inherited": False,
            "model": "m",
            "output_tokens": 0,
            "cache_creation_1h_tokens": 5,
            "occurred_at": 1_772_323_200_000_000,
        }
    ]


def test_later_record_raises_each_count_to_its_maximum(store: SqlStore) -> None:
    create(store)
    append(store, asked(model="m"))
    append(
        store,
        asked(usage={"input_tokens": 1, "output_tokens": 9, "web_searches": 2}, model="other"),
        asked(usage={"cost_microdollars": 5}),
    )
    (fact,) = facts_of(store)
    counts = ("input_tokens", "output_tokens", "web_searches", "cost_nanodollars", "cost_source")
    assert [fact[name] for name in counts] == [3, 9, 2, 5000, "agent"]
    assert fact["model"] == "m"
    assert usage_of(store, "s") == Usage(
        input_tokens=3, output_tokens=9, web_searches=2, cost_nanodollars=5000
    )


def test_deleted_session_takes_its_facts_along(store: SqlStore) -> None:
    create(store, "a")
    create(store, "b")
    append(store, asked(), session_id="a")
    made(store, DeleteSession(session_id="a"))
    assert facts_of(store) == []
    append(store, asked(), session_id="b")
    assert usage_of(store, "b").input_tokens == 3


def test_price_of_a_request_is_stored_with_its_date(
    database_url: str, open_stores: OpenStores
) -> None:
    store = open_stores(database_url, price_of=doubled)
    create(store)
    append(store, asked(model="known"), asked("some-agent:r2", model="unknown"))
    append(store, asked(usage={"output_tokens": 10}))
    first, second = facts_of(store)
    named = ("cost_nanodollars", "cost_source", "prices_as_of")
    assert [first[name] for name in named] == [26, "table", "2026-01-02"]
    assert not second.keys() & set(named)
    expected = Usage(input_tokens=6, output_tokens=14, cost_nanodollars=26, unpriced_tokens=7)
    assert usage_of(store, "s") == expected
    append(store, asked(usage={"cost_microdollars": 1}))
    assert facts_of(store)[0]["cost_source"] == "agent"
    assert usage_of(store, "s").cost_nanodollars == 1000
    append(store, used(50))
    assert usage_of(store, "s") == Usage(input_tokens=50, cost_nanodollars=500_000)


def test_migration_keeps_the_requests_of_before(
    bare_database_url: str, open_stores: OpenStores
) -> None:
    database = open_database(bare_database_url)
    with closing(database), database.writing.begin() as connection:
        run_migrations(connection, "0008")
        for number, (session_id, executor) in enumerate((("a", "claude"), ("b", "own")), 1):
            connection.execute(
                text(
                    "INSERT INTO sessions (session_id, generation, session_name, executor,"
                    " created_at, last_activity_at, status, last_run, last_seq, unique_name,"
                    " input_tokens, cost_microdollars) VALUES"
                    " (:id, 'g', 'n', :executor, 1, 1, 'finished', 1, 0, false, 8, 3)"
                ),
                {"id": session_id, "executor": executor},
            )
            connection.execute(
                text(
                    "INSERT INTO runs (session_number, run, started_at, input_tokens,"
                    " cost_microdollars) VALUES (:n, 1, 1, 8, 3)"
                ),
                {"n": number},
            )
            for request_id, unpriced, covered in (("r1", 0, True), ("r2", 4, False)):
                connection.execute(
                    text(
                        "INSERT INTO model_requests (session_number, request_id, run, covered,"
                        " input_tokens, cost_microdollars, unpriced_tokens)"
                        " VALUES (:n, :id, 1, :covered, 4, :cost, :unpriced)"
                    ),
                    {
                        "n": number,
                        "id": request_id,
                        "covered": covered,
                        "unpriced": unpriced,
                        "cost": 3 if not unpriced else 0,
                    },
                )
    store = open_stores(bare_database_url)
    assert usage_of(store, "a") == Usage(input_tokens=8, cost_nanodollars=3000)
    found = {fact["request_key"]: fact for fact in facts_of(store)}
    assert list(found) == ["claude:r1", "claude:r2", "/b/r1", "/b/r2"]
    assert found["claude:r1"]["cost_nanodollars"] == 3000
    assert "cost_nanodollars" not in found["claude:r2"]
    assert "cache_creation_1h_tokens" not in found["claude:r1"]
    append(store, used(1), session_id="a")  # covers the request that no total had included
    assert usage_of(store, "a").input_tokens == 8 + 1 - 4


def test_export_keeps_facts_that_no_event_has(
    database_url: str, tmp_path: Path, open_stores: OpenStores
) -> None:
    store = open_stores(database_url)
    create(store)
    append(store, asked(model="m"), used(1))
    store.close()
    database = open_database(database_url)
    with closing(database), database.writing.begin() as connection:
        fact = {"request_key": "x:1", "session_number": 1, "run": 1, "covered": False}
        connection.execute(insert(usage_facts), {**fact, "inherited": True, "web_searches": 2})
    elsewhere = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    imported(elsewhere, exported(database_url))
    assert facts_of(open_stores(elsewhere)) == facts_of(open_stores(database_url))
