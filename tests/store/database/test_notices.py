"""What a store hears of others on the same PostgreSQL, and that it makes up for what it missed."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest
from sqlalchemy import create_engine, make_url, text

from agent_session_manager.sql.database.notices import MAX_PAYLOAD_BYTES
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import CreateSession, DeleteSession
from tests.store.promises.conformance import SOME, append, appending, create
from tests.support.waiting import wait_for

pytestmark = pytest.mark.xdist_group("postgresql")

Stores = Callable[[str], SqlStore]


class Heard:
    """What came, in order; a store that begins to watch says first that all may be new."""

    def __init__(self, store: SqlStore) -> None:
        self.notices: list[set[str] | None] = []
        store.watch(self._notice)
        wait_for(lambda: self.notices == [None], "it watches")

    def _notice(self, session_ids: Collection[str] | None) -> None:
        self.notices.append(None if session_ids is None else set(session_ids))


def test_each_commit_is_heard_with_the_sessions_that_it_changed(
    postgresql_url: str, open_stores: Stores
) -> None:
    here, there = open_stores(postgresql_url), open_stores(postgresql_url)
    heard = Heard(here)
    there.commit([CreateSession(session_id=name, session_name=name) for name in "ab"])
    there.commit([appending("a", SOME), appending("unknown", SOME)])
    there.commit([appending("unknown", SOME)])
    there.commit([DeleteSession(session_id="b")])
    expected = [None, {"a", "b"}, {"a"}, {"b"}]
    wait_for(lambda: len(heard.notices) >= len(expected), "all is heard")
    assert heard.notices == expected


def test_more_sessions_than_a_notice_can_name_are_all(
    postgresql_url: str, open_stores: Stores
) -> None:
    here, there = open_stores(postgresql_url), open_stores(postgresql_url)
    heard = Heard(here)
    names = [f"{number:03}-{'x' * 100}" for number in range(MAX_PAYLOAD_BYTES // 100)]
    there.commit([CreateSession(session_id=name, session_name="s") for name in names])
    wait_for(lambda: heard.notices == [None, None], "anything may have changed")


def test_who_lost_its_connection_hears_that_anything_may_have_changed(
    postgresql_url: str, open_stores: Stores
) -> None:
    here, there = open_stores(postgresql_url), open_stores(postgresql_url)
    heard = Heard(here)
    create(there)
    wait_for(lambda: heard.notices == [None, {"s"}], "the first is heard")
    engine = create_engine(make_url(postgresql_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        listening = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        )
        assert connection.execute(text(listening)).scalars().all() == [True]
    engine.dispose()
    wait_for(lambda: heard.notices == [None, {"s"}, None], "it listens again")
    append(there, SOME)
    wait_for(lambda: heard.notices[3:] == [{"s"}], "and hears")


def test_on_sqlite_there_is_nobody_else_to_hear_of(sqlite_url: str, open_stores: Stores) -> None:
    store = open_stores(sqlite_url)
    heard: list[object] = []
    store.watch(heard.append)
    create(store)
    assert heard == []
