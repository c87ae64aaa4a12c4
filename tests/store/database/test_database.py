"""Opening and migrating a database, and its settings, with SQLite and with PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from agent_session_manager.domain.errors import NameTakenError, StoreUnavailableError
from agent_session_manager.domain.sessions.session import Reason
from agent_session_manager.sql.database.database import Database
from agent_session_manager.sql.database.engines.open import open_database
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import CreateSession, DeleteSession
from agent_session_manager.store.queries import EventFilter, Order, SessionFilter, SessionSort
from tests.store.conftest import OpenStores, sqlite_url_in
from tests.store.promises.changes import append, create, made, update
from tests.store.promises.events import SOME, says, stop
from tests.store.promises.stepped_clock import START
from tests.store.refusal import refusal
from tests.support.earlier_schema import make_database
from tests.support.rows import each_row


def test_reserved_names_are_migrated_to_one_unicode_form(
    bare_database_url: str, open_stores: OpenStores
) -> None:
    """Two sessions with one name in two Unicode forms both keep their names."""
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    make_database(bare_database_url, "0006", sessions=3)
    held = {"s1": ("/p", decomposed), "s2": ("/q", decomposed), "s3": ("/q", composed)}
    database = open_database(bare_database_url)
    change = text(
        "UPDATE sessions SET session_name = :name, reserved_name = :name, project_dir = :project,"
        " reserved_project = :project, unique_name = :unique WHERE session_id = :id"
    )
    with database.writing.begin() as connection:
        for session_id, (project, name) in held.items():
            values = {"id": session_id, "project": project, "name": name, "unique": True}
            connection.execute(change, values)
    database.close()
    store = open_stores(bare_database_url)
    kept = {session_id: store.get_session(session_id) for session_id in held}
    assert {s: (each.project_dir, each.session_name) for s, each in kept.items()} == held
    for project in ("/p", "/q"):
        new = CreateSession(
            session_id="n", session_name=composed, project_dir=project, unique_name=True
        )
        assert isinstance(made(store, new), NameTakenError)
    assert update(store, "s2", agent_name="x").session_name == decomposed
    assert update(store, "s2", archived=True).session_name == decomposed


def test_reopened_database_is_complete(database_url: str, open_stores: OpenStores) -> None:
    first = open_stores(database_url)
    session = create(first, spec={"x": 1}, unique_name=True)
    append(first, {"event_type": "some", "event_id": "1", "field": "é🦾"})
    events = first.list_events("s", EventFilter(), limit=10)
    first.close()
    again = open_stores(database_url)
    assert again.get_session("s").created_at == session.created_at
    assert again.list_events("s", EventFilter(), limit=10) == events
    assert append(again, {"event_type": "some", "event_id": "1"}, SOME) == [1, 2]


def test_database_of_a_newer_version_is_refused_and_unchanged(
    bare_database_url: str, open_stores: OpenStores
) -> None:
    open_stores(bare_database_url).close()
    database = open_database(bare_database_url)
    with database.writing.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from_the_future'"))
    database.close()
    said = refusal(bare_database_url)
    assert "from_the_future" in said
    assert "newer agent-session-manager" in said
    database = open_database(bare_database_url)
    with database.reading.connect() as connection:
        version = connection.scalar(text("SELECT version_num FROM alembic_version"))
    database.close()
    assert version == "from_the_future"


def test_session_with_a_reused_id_has_a_new_generation(
    database_url: str, open_stores: OpenStores
) -> None:
    store = open_stores(database_url)
    generations = set()
    for _ in range(3):
        create(store)
        with store._database.reading.connect() as connection:
            generations.add(connection.scalar(text("SELECT generation FROM sessions")))
        made(store, DeleteSession(session_id="s"))
    assert len(generations) == 3


def test_deleted_session_leaves_no_rows(database_url: str, open_stores: OpenStores) -> None:
    store = open_stores(database_url)
    create(store)
    append(store, *[SOME] * 10)
    made(store, DeleteSession(session_id="s"))
    with store._database.reading.connect() as connection:
        counts = [
            connection.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in ("sessions", "runs", "events")
        ]
    assert counts == [0, 0, 0]


def pragma(database: Database, *, writer: bool, name: str) -> object:
    engine = database.writing if writer else database.reading
    with engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_sqlite_uses_wal_and_flushes_each_commit(sqlite_url: str, open_stores: OpenStores) -> None:
    database = open_stores(sqlite_url)._database
    full = 2
    assert {
        name: pragma(database, writer=True, name=name)
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    } == {"journal_mode": "wal", "synchronous": full, "foreign_keys": 1, "busy_timeout": 5000}


def test_sqlite_readers_cannot_write_and_do_not_checkpoint(
    sqlite_url: str, open_stores: OpenStores
) -> None:
    store = open_stores(sqlite_url)
    connections = [store._database.reading.connect() for _ in range(4)]
    for connection in connections:
        assert connection.exec_driver_sql("PRAGMA query_only").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar() == 0
        with pytest.raises(OperationalError, match="readonly"):
            connection.exec_driver_sql("DELETE FROM sessions")
    for connection in connections:
        connection.close()


READS: dict[str, Callable[[SqlStore], object]] = {
    "status": lambda store: store.get_status("s"),
    "session": lambda store: store.get_session("s"),
    "result": lambda store: store.get_result("s"),
    "runs": lambda store: store.list_runs("s"),
    "events": lambda store: store.list_events("s", EventFilter(after_seq=1), limit=1),
    "events backwards": lambda store: store.list_events("s", EventFilter(before_seq=9), limit=1),
    "all": lambda store: store.list_sessions(SessionFilter(), limit=1),
    "next page": lambda store: store.list_sessions(SessionFilter(), limit=1, after=(2, 2)),
    **{
        f"sorted by {sort} {order}": partial(
            SqlStore.list_sessions, where=SessionFilter(), limit=1, sort=sort, order=order
        )
        for sort in SessionSort
        for order in Order
    },
    "of a host": lambda store: store.list_sessions(SessionFilter(host="h"), limit=1),
    "of a period": lambda store: store.list_sessions(
        SessionFilter(since=START, until=START), limit=1, sort=SessionSort.ACTIVITY
    ),
    "of an end": lambda store: store.list_sessions(SessionFilter(reason=(Reason.BUDGET,)), limit=1),
    "above a cost": lambda store: store.list_sessions(
        SessionFilter(cost_over=7), limit=1, sort=SessionSort.COST
    ),
    "by name": lambda store: store.list_sessions(
        SessionFilter(session_name="s", project_dir="/p", archived=False), limit=1
    ),
    "by name anywhere": lambda store: store.list_sessions(SessionFilter(session_name="s"), limit=1),
    "of a project": lambda store: store.list_sessions(SessionFilter(project_dir="/p"), limit=1),
    "of an agent": lambda store: store.list_sessions(SessionFilter(agent="a"), limit=1),
    "of a definition": lambda store: store.list_sessions(SessionFilter(agent_name="a"), limit=1),
    "by prefix": lambda store: store.list_sessions(SessionFilter(id_prefix="s"), limit=1),
}
ALLOWED = {
    # From one end of an index, up to the limit.
    "all": {"SCAN sessions USING INDEX ix_sessions_list_order"},
    **{
        f"sorted by {sort} {order}": {f"SCAN sessions USING INDEX ix_sessions_{index}"}
        for sort, index in (
            (SessionSort.CREATED, "list_order"),
            (SessionSort.ACTIVITY, "last_activity"),
            (SessionSort.COST, "cost"),
            (SessionSort.TOOK, "took"),
        )
        for order in Order
    },
    **{
        f"sorted by name {order}": {
            "SCAN sessions USING INDEX ix_sessions_session_name",
            "USE TEMP B-TREE FOR RIGHT PART OF ORDER BY",  # sorts only those of one name
        }
        for order in Order
    },
    "by prefix": {"USE TEMP B-TREE FOR ORDER BY"},  # sorts only the matching sessions
    "by name anywhere": {"USE TEMP B-TREE FOR ORDER BY"},  # the same
}


@each_row("name", READS)
def test_no_read_scans_a_whole_table(tmp_path: Path, open_stores: OpenStores, name: str) -> None:
    store = open_stores(sqlite_url_in(tmp_path))
    create(store)
    append(store, says("x"), stop())
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    reading = store._database.reading
    event.listen(reading, "before_cursor_execute", note)
    READS[name](store)
    event.remove(reading, "before_cursor_execute", note)
    assert asked
    with reading.connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [row.detail.replace("COVERING INDEX", "INDEX") for row in plan]
            if "AS mark_number" in statement:  # the sessions of a page are sorted once more
                steps.remove("USE TEMP B-TREE FOR ORDER BY")
            dear = {step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step}
            assert dear <= ALLOWED.get(name, set()), steps


@pytest.mark.xdist_group("postgresql")
def test_postgresql_commits_are_synchronous(postgresql_url: str, open_stores: OpenStores) -> None:
    database = open_stores(postgresql_url)._database
    for engine in (database.writing, database.reading):
        with engine.connect() as connection:
            shown = {
                name: connection.exec_driver_sql(f"SHOW {name}").scalar()
                for name in ("synchronous_commit", "lock_timeout", "timezone")
            }
        assert shown == {
            "synchronous_commit": "on",
            "lock_timeout": "5s",
            "timezone": "UTC",
        }


@pytest.mark.xdist_group("postgresql")
def test_store_without_its_database_is_unavailable(
    postgresql_url: str, open_stores: OpenStores
) -> None:
    store = open_stores(postgresql_url)
    create(store)
    database = open_database(postgresql_url)
    with database.reading.connect() as connection:
        others = (
            "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute(text("ALTER TABLE sessions RENAME TO hidden"))
        connection.commit()
        outcome = made(store, DeleteSession(session_id="s"))
        assert isinstance(outcome, StoreUnavailableError)
        with pytest.raises(StoreUnavailableError):
            store.get_session("s")
        connection.execute(text("ALTER TABLE hidden RENAME TO sessions"))
        connection.commit()
        connection.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))
        connection.commit()
    database.close()
    assert store.get_session("s").session_id == "s"
    assert append(store, SOME) == [1]


@each_row(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://h/d", "nonsense", "", "sqlite:////no/dir/x"]
)
def test_unsupported_url_is_refused(url: str) -> None:
    assert refusal(url)


def test_password_is_not_shown() -> None:
    said = refusal("postgresql://someone:secret@127.0.0.1:1/none")
    assert "someone:***@127.0.0.1:1/none" in said
    assert "secret" not in said
