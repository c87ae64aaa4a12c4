from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest
from sqlalchemy import delete, update

from agent_session_manager.domain.events.model_request import PriceOf
from agent_session_manager.domain.sessions.alert import Interests, no_interests
from agent_session_manager.sql.schema.tables import feed, metadata
from agent_session_manager.sql.store import SqlStore, open_store
from agent_session_manager.sql.write.derived.usage import unpriced
from tests.store.promises.changes import append, create
from tests.store.promises.events import SOME
from tests.store.promises.stepped_clock import START, SteppedClock
from tests.support.postgresql import ON_POSTGRESQL, WITHOUT_ROWS

pytest.register_assert_rewrite("tests.store.record_machine")


class OpenStores(Protocol):
    def __call__(
        self, url: str, *, price_of: PriceOf = unpriced, interests: Interests = no_interests
    ) -> SqlStore: ...


FreshStore = Callable[[], SqlStore]


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return sqlite_url_in(tmp_path)


def sqlite_url_in(directory: Path) -> str:
    return f"sqlite:///{directory / 'sessions.db'}"


def path_of(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def database(sqlite_url: str) -> Path:
    """Return the path of the SQLite database."""
    return path_of(sqlite_url)


@pytest.fixture(params=["sqlite", ON_POSTGRESQL])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a fresh database; each test runs with SQLite and with PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", ON_POSTGRESQL])
def bare_database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a database without tables, with SQLite and with PostgreSQL."""
    bare = {"sqlite": "sqlite_url", "postgresql": "bare_postgresql_url"}
    url: str = request.getfixturevalue(bare[request.param])
    return url


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def open_stores(clock: SteppedClock) -> Iterator[OpenStores]:
    """Return a function that opens stores; all are closed after the test."""
    opened: list[SqlStore] = []

    def open_one(
        url: str, *, price_of: PriceOf = unpriced, interests: Interests = no_interests
    ) -> SqlStore:
        opened.append(open_store(url, clock=clock, price_of=price_of, interests=interests))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def sqlite_store(sqlite_url: str, open_stores: OpenStores) -> SqlStore:
    return open_stores(sqlite_url)


@pytest.fixture
def filled_store(sqlite_store: SqlStore) -> SqlStore:
    """Return a store on SQLite with one session of 50 events."""
    create(sqlite_store)
    append(sqlite_store, *[SOME] * 50)
    return sqlite_store


@pytest.fixture
def fresh_store(database_url: str, open_stores: OpenStores, clock: SteppedClock) -> FreshStore:
    """Return a function that returns the store of the test without rows, at the start of its time.

    Another store would take longer than the steps of most promises.
    """
    store = open_stores(database_url)

    def fresh() -> SqlStore:
        _empty(store)
        clock.now = START
        return store

    return fresh


@pytest.fixture
def store(database_url: str, open_stores: OpenStores) -> SqlStore:
    return open_stores(database_url)


def _empty(store: SqlStore) -> None:
    """Empty each table, and begin its numbers again."""
    with store._database.writing.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(WITHOUT_ROWS)
            return
        for table in reversed(metadata.sorted_tables):
            if table is not feed:
                connection.execute(delete(table))
        connection.exec_driver_sql("DELETE FROM sqlite_sequence")
        beginning = {"generation": uuid4().hex, "position": 0, "complete_after": 0, "commits": 0}
        connection.execute(update(feed).values(beginning))
