"""Notices between stores on one PostgreSQL, and recovery from missed notices."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest
from sqlalchemy import create_engine, make_url, text

from agent_session_manager.sql.database.change_notifications import MAX_PAYLOAD_BYTES
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import CreateSession, DeleteSession
from tests.store.promises.changes import append, appending, create
from tests.store.promises.events import SOME
from tests.support.waiting import wait_for

pytestmark = pytest.mark.xdist_group("postgresql")

Stores = Callable[[str], SqlStore]


class Heard:
    """The notices in order. The first is None: any session may have changed before the watch."""

    def __init__(self, store: SqlStore) -> None:
        self.notices: list[set[str] | None] = []
        store.watch(self._notice)
        wait_for(lambda: self.notices == [None], "the store watches")

    def _notice(self, session_ids: Collection[str] | None) -> None:
        self.notices.append(None if session_ids is None else set(session_ids))


def test_each_commit_sends_the_ids_of_changed_sessions(
    postgresql_url: str, open_stores: Stores
) -> None:
    here, there = open_stores(postgresql_url), open_stores(postgresql_url)
    heard = Heard(here)
    there.commit([CreateSession(session_id=name, session_name=name) for name in "ab"])
    there.commit([appending("a", SOME), appending("unknown", SOME)])
    there.commit([appending("unknown", SOME)])
    there.commit([DeleteSession(session_id="b")])
    expected = [None, {"a", "b"}, {"a"}, {"b"}]
    wait_for(lambda: len(heard.notices) >= len(expected), "all notices arrive")
    assert heard.notices == expected


def test_notice_for_too_many_sessions_means_any_session(
    postgresql_url: str, open_stores: Stores
) -> None:
    here, there = open_stores(postgresql_url), open_stores(postgresql_url)
    heard = Heard(here)
    names = [f"{number:03}-{'x' * 100}" for number in range(MAX_PAYLOAD_BYTES // 100)]
    there.commit([CreateSession(session_id=name, session_name="s") for name in names])
    wait_for(lambda: heard.notices == [None, None], "anything may have changed")


def test_reconnected_store_reports_that_any_session_may_differ(
    postgresql_url: str, open_stores: Stores
) -> None:
    here, there = open_stores(postgresql_url), open_stores(postgresql_url)
    heard = Heard(here)
    create(there)
    wait_for(lambda: heard.notices == [None, {"s"}], "the first notice arrives")
    engine = create_engine(make_url(postgresql_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        listening = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        )
        assert connection.execute(text(listening)).scalars().all() == [True]
    engine.dispose()
    wait_for(lambda: heard.notices == [None, {"s"}, None], "the store listens again")
    append(there, SOME)
    wait_for(lambda: heard.notices[3:] == [{"s"}], "the next notice arrives")


def test_store_on_sqlite_gets_no_notices(sqlite_url: str, open_stores: Stores) -> None:
    store = open_stores(sqlite_url)
    heard: list[object] = []
    store.watch(heard.append)
    create(store)
    assert heard == []
