"""Wrong and damaged sums: `verify` finds them, `accept-loss` repairs them, reads survive them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent_session_manager.domain.sessions.session import Reason, State
from agent_session_manager.sql.care.accept_loss import accept_loss
from agent_session_manager.sql.care.sums import rebuild_sums, wrong_sums
from agent_session_manager.sql.care.verify import verify
from agent_session_manager.sql.database.url import sqlite_path
from agent_session_manager.sql.schema.derived import DERIVED_OF_SESSIONS, MAX_COUNTED, MAX_SUM
from agent_session_manager.sql.schema.tables import facets, runs, sessions, usage_sums
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import ClaimLease, DeleteSession
from agent_session_manager.store.queries import SessionSort
from tests.store.promises.changes import append, create, made, open_run, update
from tests.store.promises.events import decision, question, stop, used
from tests.store.promises.stepped_clock import START
from tests.support.earlier_schema import make_earlier
from tests.support.raw_sums import listed, read_rows
from tests.support.rows import each_row

OpenStores = Callable[[str], SqlStore]

ZONES_OF_EACH_KIND = (UTC, ZoneInfo("Asia/Kolkata"), timezone(-timedelta(hours=23)))
DAMAGES: tuple[Any, ...] = (2**62, -(2**63), "text", b"\xff\xfe", 0.5, "")
HOUR_OF_START = round(START.timestamp() * 1_000_000)


@pytest.fixture
def small(sqlite_url: str, open_stores: OpenStores) -> Path:
    """Return a closed database with a session of each state."""
    store = open_stores(sqlite_url)
    for reason in Reason:
        create(store, reason.value, agent_name="x", project_dir="/p")
        append(store, used(3), stop(reason=reason.value), session_id=reason.value)
    create(store, "running", agent_name="y")
    create(store, "waiting", agent_name="y")
    append(store, question("open"), question("old"), decision("old"), session_id="waiting")
    store.close()
    return Path(sqlite_path(sqlite_url))


def changed_copy(database: Path, copy: Path, statements: list[str], *values: Any) -> Path:
    copy.touch(0o600)
    copy.write_bytes(database.read_bytes())
    with closing(sqlite3.connect(copy)) as connection, connection:
        for statement in statements:
            assert connection.execute(statement, values).rowcount > 0
    return copy


WRONG = {
    "UPDATE sessions SET state = 'lost' WHERE session_id = 'budget'": (
        "session 'budget': its state should be 'failed', and is 'lost'"
    ),
    "UPDATE sessions SET attention = 'quiet' WHERE session_id = 'budget'": (
        "session 'budget': its attention should be 'failed', and is 'quiet'"
    ),
    "UPDATE sessions SET took_microseconds = 7 WHERE session_id = 'budget'": (
        "session 'budget': its took_microseconds should be 0, and is 7"
    ),
    "UPDATE sessions SET host = 'laptop' WHERE session_id = 'budget'": (
        "session 'budget': its host should be None, and is 'laptop'"
        "\nfacets: the number of sessions of host 'laptop' is wrong"
    ),
    "UPDATE sessions SET attention = NULL WHERE session_id = 'waiting'": (
        "session 'waiting': its attention should be 'asks', and is None"
    ),
    "UPDATE sessions SET seen_run = 1 WHERE session_id = 'budget'": (
        "session 'budget': its attention should be None, and is 'failed'"
    ),
    "UPDATE sessions SET state = NULL WHERE session_id = 'running'": (
        "session 'running': its state should be 'running', and is None"
    ),
    "UPDATE sessions SET state = 'running' WHERE session_id = 'waiting'": (
        "session 'waiting': its state should be 'waiting', and is 'running'"
    ),
    "INSERT INTO questions VALUES (1, 'gone', 1, 1, 1)": (
        "questions: question 'gone' of session 1 is open in the record or in this table only"
    ),
    "UPDATE facets SET sessions = 7 WHERE value = '/p'": (
        "facets: the number of sessions of project '/p' is wrong"
    ),
    "DELETE FROM facets WHERE value = 'y'": (
        "facets: the number of sessions of agent 'y' is wrong"
    ),
    "INSERT INTO facets VALUES ('agent', 'gone', 1)": (
        "facets: the number of sessions of agent 'gone' is wrong"
    ),
    "UPDATE usage_sums SET input_tokens = 17 WHERE agent_name = 'x'": (
        f"usage_sums: the sums of agent 'x' in hour {HOUR_OF_START} differ from the record"
    ),
    "DELETE FROM usage_sums WHERE agent_name = 'y'": (
        f"usage_sums: the sums of agent 'y' in hour {HOUR_OF_START} differ from the record"
    ),
}


@each_row("statement", WRONG)
def test_wrong_sums_are_found_and_repaired(small: Path, tmp_path: Path, statement: str) -> None:
    assert verify(small)[1] == []
    path = changed_copy(small, tmp_path / "wrong.db", [statement])
    assert verify(path)[1] == WRONG[statement].split("\n")
    assert accept_loss(path, now=START).losses == WRONG[statement].split("\n")
    assert verify(path)[1] == []


def read_everything(store: SqlStore) -> None:
    for state in State:
        listed(store, state=(state,))
    for sort in SessionSort:
        listed(store, sort)
    store.statistics.list_facets(limit=200)
    for zone in ZONES_OF_EACH_KIND:
        for bucket in (timedelta(hours=1), timedelta(days=1)):
            since = START - timedelta(days=13, minutes=7)
            store.statistics.sum_usage(since=since, bucket=bucket, zone=zone)


def change_everything(store: SqlStore) -> None:
    append(store, used(1), stop(), session_id="running")
    open_run(store, "running")
    update(store, "completed", agent_name="z", archived=True)
    for session_id in listed(store):
        assert made(store, DeleteSession(session_id=session_id)) >= 0


@each_row("damage", DAMAGES)
def test_damaged_sums_break_no_read_and_no_change(
    small: Path, tmp_path: Path, open_stores: OpenStores, damage: Any
) -> None:
    derived = (
        *(sessions.c[name] for name in DERIVED_OF_SESSIONS),
        *(*facets.c, *usage_sums.c),
    )
    for is_key in (True, False):
        statements = [
            f"UPDATE OR IGNORE {column.table.name} SET {column.name} = ?"
            for column in derived
            if column.primary_key is is_key
        ]
        path = changed_copy(small, tmp_path / f"{is_key}.db", statements, damage)
        store = open_stores(f"sqlite:///{path}")
        read_everything(store)
        change_everything(store)
        read_everything(store)


@each_row("damage", DAMAGES)
def test_sums_are_derived_from_a_damaged_record(
    small: Path, tmp_path: Path, open_stores: OpenStores, damage: Any
) -> None:
    url = f"sqlite:///{tmp_path / 'damaged.db'}"
    with closing(open_stores(f"sqlite:///{small}")) as store:
        tables = [(table, read_rows(store, table)) for table in (sessions, runs)]
    make_earlier(url, *tables)
    damaged = [
        *("project_dir", "agent_name", "archived_at", "status"),
        *("started_at", "reason", "input_tokens", "cost_microdollars", "finished_at"),
    ]
    with closing(sqlite3.connect(sqlite_path(url))) as connection, connection:
        for number, name in enumerate(damaged[:4], 1):
            where = f"UPDATE sessions SET {name} = ? WHERE number = {number}"
            connection.execute(where, (damage,))
        for number, name in enumerate(damaged[4:], 4):
            where = f"UPDATE runs SET {name} = ? WHERE session_number = {number}"
            connection.execute(where, (damage,))
    store = open_stores(url)
    read_everything(store)
    with closing(sqlite3.connect(sqlite_path(url))) as connection:
        assert list(wrong_sums(connection)) == []
    change_everything(store)
    read_everything(store)
    assert [read_rows(store, table) for table in (facets, usage_sums)] == [[], []]


def test_claim_of_an_open_run_with_a_reason_keeps_the_sums(
    sqlite_url: str, open_stores: OpenStores
) -> None:
    """An import accepts this record, although no request can create it."""
    store = open_stores(sqlite_url)
    create(store, agent_name="x")
    with closing(sqlite3.connect(sqlite_path(sqlite_url))) as connection, connection:
        connection.execute("UPDATE runs SET reason = 'failed'")
        connection.execute("UPDATE sessions SET status = 'finished'")
        rebuild_sums(connection)
    assert listed(store, state=(State.FAILED,)) == ["s"]
    made(store, ClaimLease(session_id="s", run=1, holder="h"))
    with closing(sqlite3.connect(sqlite_path(sqlite_url))) as connection:
        assert list(wrong_sums(connection)) == []
    assert [listed(store, state=(state,)) for state in State] == [[]] * len(State)


def test_sum_of_an_hour_ends_at_its_maximum(
    sqlite_url: str, tmp_path: Path, open_stores: OpenStores
) -> None:
    store = open_stores(sqlite_url)
    create(store)
    tables = [(table, read_rows(store, table)) for table in (sessions, runs)]
    count = MAX_SUM // MAX_COUNTED + 1
    (session,), (run,) = (rows for _, rows in tables)
    session["last_run"] = count
    many = [{**run, "run": number, "input_tokens": MAX_COUNTED} for number in range(1, count + 1)]
    url = f"sqlite:///{tmp_path / 'many.db'}"
    make_earlier(url, (sessions, [session]), (runs, many))
    store = open_stores(url)
    for name in ("x", "y"):
        (row,) = store.statistics.sum_usage(since=START, bucket=timedelta(hours=1), zone=UTC)
        assert (row.runs, row.usage.input_tokens) == (count, MAX_SUM)
        with closing(sqlite3.connect(sqlite_path(url))) as connection:
            assert list(wrong_sums(connection)) == []
        update(store, "s", agent_name=name)
