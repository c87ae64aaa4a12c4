"""Vacuum: in small steps by the store, and of the whole file if no manager serves it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent_session_manager.domain.errors import DiskFullError, VacuumNotPossibleError
from agent_session_manager.sql.care.vacuum import vacuum
from agent_session_manager.sql.care.verify import verify
from agent_session_manager.sql.database.errors import DatabaseError, DatabaseInUseError
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import DeleteSession
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import EventFilter
from agent_session_manager.store.space import Space
from tests.store.conftest import OpenStores
from tests.store.foreign_database import make_foreign_database
from tests.store.promises.changes import append, appending, create, made
from tests.store.promises.events import says

SESSIONS = 20


def half_deleted(store: Store) -> None:
    """Create many sessions and delete every second one."""
    for number in range(SESSIONS):
        create(store, f"s{number}")
        append(store, *[says("x" * 20_000)] * 10, session_id=f"s{number}")
    for number in range(0, SESSIONS, 2):
        made(store, DeleteSession(session_id=f"s{number}"))


def kept(store: Store) -> list[object]:
    names = [f"s{number}" for number in range(1, SESSIONS, 2)]
    return [
        (store.get_session(name), store.list_events(name, EventFilter(), limit=99))
        for name in names
    ]


def test_free_some_releases_the_given_number_of_pages(
    sqlite_url: str, open_stores: OpenStores, database: Path
) -> None:
    store = open_stores(sqlite_url)
    half_deleted(store)
    before, record = store.free_some(0), kept(store)
    assert before.free_bytes > 100 * before.page_bytes
    after = store.free_some(100)
    assert after == Space(
        total_bytes=before.total_bytes - 100 * before.page_bytes,
        free_bytes=before.free_bytes - 100 * before.page_bytes,
        page_bytes=before.page_bytes,
    )
    append(store, says("between"), session_id="s1")
    record = kept(store)
    while after.free_bytes:
        after = store.free_some(100)
    assert database.stat().st_size == after.total_bytes < before.total_bytes * 0.6
    assert kept(store) == record
    assert store.free_some(100) == after
    assert verify(database)[1] == []


def test_deletions_on_a_full_disk_are_freed_when_possible(sqlite_store: SqlStore) -> None:
    half_deleted(sqlite_store)
    while sqlite_store.free_some(100).free_bytes:
        pass
    with sqlite_store._database.writing.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # at least its present size
        driver: Any = connection.connection.driver_connection
    large = appending("s1", *[says("x" * 20_000)] * 10)
    refused, deleted = sqlite_store.commit([large, DeleteSession(session_id="s3")])
    assert (type(refused), deleted) == (DiskFullError, 10)
    assert sqlite_store.free_some(0).free_bytes > 0
    denied = {"incremental_vacuum": sqlite3.SQLITE_DENY}
    driver.set_authorizer(lambda _, name, *__: denied.get(name, sqlite3.SQLITE_OK))
    assert not sqlite_store.rest()
    driver.set_authorizer(None)
    while sqlite_store.rest():
        pass
    assert sqlite_store.free_some(0).free_bytes == 0


def test_vacuum_rebuilds_a_file_that_is_not_served(
    sqlite_url: str, open_stores: OpenStores, database: Path
) -> None:
    store = open_stores(sqlite_url)
    half_deleted(store)
    record = kept(store)
    store.close()
    size = database.stat().st_size
    freed = vacuum(database)
    assert (freed.before_bytes, freed.after_bytes) == (size, database.stat().st_size)
    assert freed.freed_bytes > size * 0.4
    assert vacuum(database).freed_bytes == 0
    assert verify(database)[1] == []
    assert kept(open_stores(sqlite_url)) == record


def test_older_file_shrinks_while_served_after_one_vacuum(
    sqlite_url: str, open_stores: OpenStores, database: Path
) -> None:
    database.touch(mode=0o600)
    with closing(sqlite3.connect(database, isolation_level=None)) as earlier:
        earlier.execute("PRAGMA auto_vacuum = NONE")
        earlier.execute("CREATE TABLE x (y)")
        earlier.execute("DROP TABLE x")
    store = open_stores(sqlite_url)
    half_deleted(store)
    with pytest.raises(VacuumNotPossibleError) as caught:
        store.free_some(1)
    assert "agent-session-manager vacuum" in str(caught.value)
    store.close()
    assert vacuum(database).freed_bytes > 0
    again = open_stores(sqlite_url)
    made(again, DeleteSession(session_id="s1"))
    before = again.free_some(0)
    assert again.free_some(1).total_bytes == before.total_bytes - before.page_bytes


def test_vacuum_of_a_served_file_is_refused(
    sqlite_url: str, open_stores: OpenStores, database: Path
) -> None:
    half_deleted(open_stores(sqlite_url))
    with pytest.raises(DatabaseInUseError):
        vacuum(database)


def test_vacuum_of_a_missing_or_foreign_database_is_refused(database: Path) -> None:
    with pytest.raises(DatabaseError, match="no database at"):
        vacuum(database)
    assert not database.exists()
    make_foreign_database(database)
    before = database.read_bytes()
    with pytest.raises(DatabaseError, match="not a database of"):
        vacuum(database)
    assert database.read_bytes() == before


@pytest.mark.xdist_group("postgresql")
def test_vacuum_of_postgresql_is_refused(postgresql_url: str, open_stores: OpenStores) -> None:
    with pytest.raises(VacuumNotPossibleError, match="PostgreSQL"):
        open_stores(postgresql_url).free_some(1)
