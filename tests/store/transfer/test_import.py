"""Import of a valid export: the same record, next to sessions that exist already."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import CursorUnknownError, NameTakenError
from agent_session_manager.domain.events.event import Event
from agent_session_manager.domain.sessions.session import State, Usage
from agent_session_manager.sql.care.readonly import reading_alone
from agent_session_manager.sql.care.verify import verify
from agent_session_manager.sql.database.errors import DatabaseInUseError
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import CreateSession
from agent_session_manager.store.queries import EventFilter, SessionFilter, SessionSort
from tests.store.conftest import OpenStores, path_of
from tests.store.promises.changes import append, create, made
from tests.store.promises.events import SOME, asked, decision, question, used
from tests.store.promises.lease_promises import claim, lose
from tests.store.promises.question_promises import waiting
from tests.store.promises.stepped_clock import SteppedClock
from tests.store.transfer.exports import exported, imported, parsed, refused


def test_import_keeps_usage_that_a_later_total_replaces(
    sqlite_url: str, elsewhere: str, open_stores: OpenStores, clock: SteppedClock
) -> None:
    store = open_stores(sqlite_url)
    create(store)
    append(store, asked("a", 5), used(3), asked("b", 2), {"event_type": "usage", "usage": {}})
    append(store, asked("c", 2), asked("d", 9))
    text = exported(sqlite_url)
    store.close()
    imported(elsewhere, text)
    both = []
    for url in (sqlite_url, elsewhere):
        store = open_stores(url)
        append(store, asked("c", 7), asked("a", 50))
        before = store.get_session("s").usage
        append(store, used(4))
        both.append((before, store.get_session("s").usage))
    assert both[0] == both[1]
    assert both[0][1] == Usage(input_tokens=7, cost_nanodollars=70_000)


def test_import_derives_the_open_questions(
    sqlite_url: str, elsewhere: str, open_stores: OpenStores, clock: SteppedClock
) -> None:
    store = open_stores(sqlite_url)
    create(store)
    create(store, "lost", holder="me")
    append(store, question("a"), question("b"), decision("a"))
    append(store, question("c"), session_id="lost")
    lose(store, clock)
    append(store, question("d"), decision("d"), question("e", run=1), session_id="lost")
    text = exported(sqlite_url)
    imported(elsewhere, text)
    assert verify(path_of(elsewhere))[1] == []
    other = open_stores(elsewhere)
    for each in (store, other):
        assert waiting(each) == (State.WAITING, 1)
        assert waiting(each, "lost") == (State.LOST, 0)
        claim(each, session_id="lost")
        assert waiting(each, "lost") == (State.WAITING, 2)


def test_import_restores_the_same_record_and_orders(
    text: bytes, elsewhere: str, open_stores: OpenStores, sqlite_url: str
) -> None:
    done = imported(elsewhere, text)
    trailer = parsed(text)[-1]
    assert done.counts == {name: trailer[name] for name in done.counts}
    database = path_of(elsewhere)
    assert verify(database)[1] == []
    with reading_alone(database) as connection:
        query = "SELECT count(*) FROM events WHERE checksum IS NULL"
        assert connection.execute(query).fetchone() == (0,)
    mine, other = open_stores(sqlite_url), open_stores(elsewhere)
    for sort in SessionSort:
        assert ids(other, sort) == ids(mine, sort)
    for session_id in ("s", "child", "archived"):
        assert other.list_runs(session_id) == mine.list_runs(session_id)
        assert events_of(other, session_id) == events_of(mine, session_id)
    assert other.get_session("s").child_count == 1
    assert append(other, SOME) == [4]
    taken = CreateSession(session_id="x", session_name="s", project_dir="/p", unique_name=True)
    assert isinstance(made(other, taken), NameTakenError)


def ids(store: SqlStore, sort: SessionSort = SessionSort.CREATED) -> list[str]:
    page = store.list_sessions(SessionFilter(), limit=99, sort=sort)
    return [session.session_id for session in page.sessions]


def events_of(store: SqlStore, session_id: str) -> list[Event]:
    """Return the events without `number`, which differs between databases."""
    page = store.list_events(session_id, EventFilter(), limit=99)
    return [replace(event, number=0) for event in page.events]


def test_cursors_are_unknown_after_an_import(
    sqlite_url: str, text: bytes, elsewhere: str, open_stores: OpenStores
) -> None:
    before = open_stores(sqlite_url)
    cursor, generation = before.feeds.head(), before.get_session("s").generation
    imported(elsewhere, text)
    after = open_stores(elsewhere)
    assert after.get_session("s").generation != generation
    with pytest.raises(CursorUnknownError):
        after.feeds.read_changes(Cursor(generation=cursor.generation, number=0), limit=9)


def test_readers_of_the_list_see_imported_sessions(
    text: bytes, elsewhere: str, open_stores: OpenStores
) -> None:
    store = open_stores(elsewhere)
    create(store, "mine")
    cursor = store.feeds.head()
    store.close()
    imported(elsewhere, text)
    changes = open_stores(elsewhere).feeds.read_changes(cursor, limit=9).changes
    assert len(changes) == 3


def test_import_refuses_or_skips_existing_sessions(
    text: bytes, elsewhere: str, open_stores: OpenStores
) -> None:
    store = open_stores(elsewhere)
    create(store, "s", session_name="mine")
    store.close()
    before = exported(elsewhere)
    assert "exist already: session 's'; nothing was changed" in refused(elsewhere, text)
    assert exported(elsewhere) == before
    done = imported(elsewhere, text, skip_existing=True)
    assert done.skipped == ["session 's'"]
    assert done.counts["sessions"] == 2
    again = imported(elsewhere, text, skip_existing=True)
    assert sum(again.counts.values()) == 0
    assert len(again.skipped) == 5
    after = open_stores(elsewhere)
    assert (after.get_session("s").session_name, after.get_session("s").last_seq) == ("mine", 0)


def test_import_with_a_reserved_name_is_refused(
    text: bytes, elsewhere: str, open_stores: OpenStores
) -> None:
    store = open_stores(elsewhere)
    create(store, "mine", session_name="s", project_dir="/p", unique_name=True)
    store.close()
    said = refused(elsewhere, text, skip_existing=True)
    assert said.startswith("line 2: ")
    assert "'mine'" in said
    assert "'s'" in said


def test_import_into_an_open_store_is_refused(
    text: bytes, sqlite_url: str, open_stores: OpenStores
) -> None:
    open_stores(sqlite_url)
    with pytest.raises(DatabaseInUseError):
        imported(sqlite_url, text)
