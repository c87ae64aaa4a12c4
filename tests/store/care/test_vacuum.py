"""Giving space back: a little at a time by the store, and all at once where nobody serves."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent_session_manager.domain.errors import VacuumNotPossibleError
from agent_session_manager.sql.care.vacuum import vacuum
from agent_session_manager.sql.care.verify import verify
from agent_session_manager.sql.database.errors import DatabaseError, DatabaseInUseError
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import DeleteSession
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import EventFilter
from agent_session_manager.store.space import Space
from tests.store.promises.conformance import append, create, made, says

OpenStores = Callable[[str], SqlStore]
SESSIONS = 20


@pytest.fixture
def database(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


def half_deleted(store: Store) -> None:
    """Many sessions, of which every second is gone."""
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


def test_store_gives_back_as_many_pages_as_it_is_asked_and_keeps_all_else(
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
    append(store, says("meanwhile"), session_id="s1")
    record = kept(store)
    while after.free_bytes:
        after = store.free_some(100)
    assert database.stat().st_size == after.total_bytes < before.total_bytes * 0.6
    assert kept(store) == record
    assert store.free_some(100) == after
    assert verify(database)[1] == []


def test_file_is_rebuilt_where_nobody_serves(
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


def test_file_that_was_made_before_is_rebuilt_once_and_then_shrinks_while_it_is_served(
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


def test_file_that_is_served_is_left_alone(
    sqlite_url: str, open_stores: OpenStores, database: Path
) -> None:
    half_deleted(open_stores(sqlite_url))
    with pytest.raises(DatabaseInUseError):
        vacuum(database)


def test_what_is_no_database_of_ours_is_left_as_it_is(database: Path) -> None:
    with pytest.raises(DatabaseError, match="no database at"):
        vacuum(database)
    assert not database.exists()
    with closing(sqlite3.connect(database)) as other:
        other.execute("CREATE TABLE mine (x)")
    before = database.read_bytes()
    with pytest.raises(DatabaseError, match="not a database of"):
        vacuum(database)
    assert database.read_bytes() == before


@pytest.mark.xdist_group("postgresql")
def test_postgresql_is_left_to_its_own_vacuum(postgresql_url: str, open_stores: OpenStores) -> None:
    with pytest.raises(VacuumNotPossibleError, match="PostgreSQL"):
        open_stores(postgresql_url).free_some(1)
