"""Promise 11 of `store/protocol.py`: the changes that followers of all sessions receive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import Connection

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import CursorUnknownError, SessionNotFoundError
from agent_session_manager.domain.sessions.request import RequestKind
from agent_session_manager.sql.read.feeds import SqlFeeds
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.sql.write.derived import positions
from agent_session_manager.store.changes import (
    CreateRequest,
    CreateSession,
    DeleteSession,
    ExtendLeases,
    ReapLeases,
)
from agent_session_manager.store.feeds import ChangedSession, Changes
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import SessionFilter
from agent_session_manager.store.retention import ArchiveSessions
from tests.store.promises.changes import append, appending, create, made, open_run, update
from tests.store.promises.events import SOME, says, stop, used
from tests.store.promises.lease_promises import TERM, claim, release
from tests.store.promises.stepped_clock import SteppedClock


def told(changes: Changes) -> list[str]:
    """Return each change in words: the kind of change and the session id."""
    return [
        f"{'new' if change.is_new else 'changed'} {change.session.session_id}"
        if isinstance(change, ChangedSession)
        else f"deleted {change.session_id}"
        for change in changes.changes
    ]


def changes_since(store: Store, cursor: Cursor, limit: int = 100) -> Changes:
    return store.feeds.read_changes(cursor, limit=limit)


def promise_11_each_change_moves_its_session_past_the_head(
    store: Store, clock: SteppedClock
) -> None:
    create(store, "other")
    create(store, "s", holder="me")

    def reap() -> None:
        clock.move(TERM)
        made(store, ReapLeases())

    steps: dict[str, Callable[[], object]] = {
        "append": lambda: append(store, SOME),
        "usage": lambda: append(store, used(3)),
        "rename": lambda: update(store, session_name="renamed"),
        "archive": lambda: update(store, archived=True),
        "release": lambda: release(store),
        "end": lambda: append(store, stop(run=1)),
        "next run": lambda: open_run(store, holder="me"),
        "reaped": reap,
        "taken up again": lambda: claim(store, run=2),
    }
    for step, make in steps.items():
        cursor = store.feeds.head()
        make()
        found = changes_since(store, cursor)
        assert told(found) == ["changed s"], step
        (change,) = found.changes
        assert isinstance(change, ChangedSession)
        assert change.session == store.get_session("s"), step
        assert change.position > cursor.number
        assert found.cursor == store.feeds.head()
        assert told(changes_since(store, found.cursor)) == []


def promise_11_commit_without_a_session_change_adds_no_change(
    store: Store, clock: SteppedClock
) -> None:
    create(store, holder="me")
    append(store, {**SOME, "event_id": "known"})
    cursor = store.feeds.head()
    made(store, ExtendLeases())
    claim(store)
    append(store, {**SOME, "event_id": "known"})
    kind = RequestKind.STOP
    made(store, CreateRequest(session_id="s", run=1, request_id="r", kind=kind, payload={}))
    made(store, appending("unknown", SOME))
    assert made(store, ReapLeases()) == []
    assert store.feeds.head() == cursor
    assert told(changes_since(store, cursor)) == []


def promise_11_changes_hold_each_session_once_and_deletions(
    store: Store, clock: SteppedClock
) -> None:
    begin = store.feeds.head()
    create(store, "a")
    create(store, "b")
    create(store, "c")
    middle = store.feeds.head()
    append(store, says("hi"), session_id="a")
    made(store, DeleteSession(session_id="b"))
    update(store, "a", session_name="renamed")
    assert told(changes_since(store, begin)) == ["new c", "deleted b", "new a"]
    assert told(changes_since(store, middle)) == ["deleted b", "changed a"]
    create(store, "b")
    assert told(changes_since(store, middle)) == ["deleted b", "changed a", "new b"]


def promise_11_pages_of_changes_hold_all_changes_in_order(
    store: Store, clock: SteppedClock
) -> None:
    begin = store.feeds.head()
    # Many changes in one commit, like a batch of appends.
    store.commit([CreateSession(session_id=f"s{n}", session_name="n") for n in range(6)])
    store.commit([appending(f"s{n}", SOME) for n in (3, 1, 5)])
    made(store, DeleteSession(session_id="s2"))
    assert told(changes_since(store, begin)) == [
        *("new s0", "new s4", "new s3", "new s1", "new s5"),
        "deleted s2",
    ]
    seen: list[str] = []
    cursor = begin
    while True:
        page = changes_since(store, cursor, limit=2)
        seen += told(page)
        cursor = page.cursor
        if not page.has_more:
            break
    # A session that existed before the page began counts as changed. Readers handle both alike.
    assert seen == ["new s0", "new s4", "changed s3", "changed s1", "changed s5", "deleted s2"]
    assert cursor == store.feeds.head()


def promise_11_parent_changes_when_a_child_is_added_or_deleted(
    store: Store, clock: SteppedClock
) -> None:
    create(store, "parent")
    cursor = store.feeds.head()
    create(store, "child", parent_session_id="parent")
    assert told(changes_since(store, cursor)) == ["changed parent", "new child"]
    assert store.get_session("parent").child_count == 1
    cursor = store.feeds.head()
    made(store, DeleteSession(session_id="child"))
    assert told(changes_since(store, cursor)) == ["deleted child", "changed parent"]
    assert store.get_session("parent").child_count == 0


def promise_11_ancestors_change_when_a_descendant_changes(
    store: Store, clock: SteppedClock
) -> None:
    """A start, end, archiving or deletion of a session changes all sessions that count it."""

    def below(session_id: str) -> tuple[int, int]:
        session = store.get_session(session_id)
        return session.children_running, session.children_failed

    def end(session_id: str, reason: str, run: int = 1) -> None:
        ended = {"event_type": "session_stop", "reason": reason, "run": run}
        append(store, ended, session_id=session_id)

    def reap() -> None:
        clock.move(TERM)
        made(store, ReapLeases())

    create(store, "lead")
    create(store, "mid", parent_session_id="lead")
    create(store, "leaf", parent_session_id="mid", holder="me")
    create(store, "beside")
    end("beside", "failed")
    end("mid", "completed")
    end("lead", "completed")
    assert below("lead") == (1, 0)
    archive = ArchiveSessions(session_ids=["leaf"], before=clock.now + timedelta(days=1))
    changes: list[tuple[Callable[[], object], tuple[int, int]]] = [
        (lambda: end("leaf", "failed"), (0, 1)),
        (lambda: open_run(store, "leaf", holder="me"), (1, 0)),
        (reap, (0, 1)),
        (lambda: claim(store, run=2, session_id="leaf"), (1, 0)),
        (lambda: end("leaf", "timeout", run=2), (0, 1)),
        (lambda: update(store, "leaf", archived=True), (0, 0)),
        (lambda: update(store, "leaf", archived=False), (0, 1)),
        (lambda: made(store, archive), (0, 0)),
        (lambda: update(store, "leaf", archived=False), (0, 1)),
        (lambda: made(store, DeleteSession(session_id="leaf")), (0, 0)),
    ]
    for place, (change, counts) in enumerate(changes):
        cursor = store.feeds.head()
        change()
        heard = told(changes_since(store, cursor))
        assert {"changed lead", "changed mid"} <= set(heard), place
        assert below("lead") == below("mid") == counts, place
        assert "changed beside" not in heard
    listed = store.list_sessions(SessionFilter(session_name="lead"), limit=1).sessions
    assert listed == [store.get_session("lead")]


def promise_11_foreign_or_future_cursor_is_refused(store: Store, clock: SteppedClock) -> None:
    create(store)
    head = store.feeds.head()
    for wrong in (
        Cursor(generation="0" * 32, number=head.number),
        Cursor(generation=head.generation, number=head.number + 1),
    ):
        with pytest.raises(CursorUnknownError) as refused:
            changes_since(store, wrong)
        assert refused.value.head == str(head)


def promise_11_cursor_before_too_many_deletions_is_refused(
    store: Store, clock: SteppedClock
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(positions, "KEPT_DELETIONS", 2)
        cursors = [store.feeds.head()]
        for name in "abcd":
            create(store, name)
            made(store, DeleteSession(session_id=name))
            cursors.append(store.feeds.head())
    for early in cursors[:2]:
        with pytest.raises(CursorUnknownError):
            changes_since(store, early)
    assert told(changes_since(store, cursors[2])) == ["deleted c", "deleted d"]
    assert told(changes_since(store, cursors[3])) == ["deleted d"]


def promise_11_session_is_read_with_events_up_to_its_last_seq(
    store: Store, clock: SteppedClock
) -> None:
    created = create(store)
    append(store, *(says(str(n)) for n in range(1, 8)))
    session, events = store.feeds.read_session("s", after=2, limit=3)
    assert session == store.get_session("s")
    assert [event.seq for event in events] == [3, 4, 5]
    assert store.feeds.read_session("s", after=7, limit=3) == (session, [])
    assert store.feeds.read_session("s", after=10**18, limit=3) == (session, [])
    made(store, DeleteSession(session_id="s"))
    with pytest.raises(SessionNotFoundError):
        store.feeds.read_session("s", after=0, limit=3)
    assert create(store).generation != created.generation


class _Interrupted:
    """A connection that calls `act` once it has executed `after` statements."""

    def __init__(self, connection: Connection, after: int, act: Callable[[], object]) -> None:
        self._connection = connection
        self._left = after
        self._act = act

    def execute(self, *arguments: Any) -> Any:
        found = self._connection.execute(*arguments)
        self._left -= 1
        if self._left == 0:
            self._act()
        return found


def promise_11_session_deleted_during_a_read_is_reported(store: Store, clock: SteppedClock) -> None:
    """Otherwise a reader that has events of the session would never learn of its deletion."""
    assert isinstance(store, SqlStore)
    for statements in (1, 2, 3):
        session_id = f"s{statements}"
        before = store.feeds.head()
        create(store, session_id)

        @contextmanager
        def read(
            statements: int = statements, session_id: str = session_id
        ) -> Iterator[Connection]:
            def delete() -> None:
                made(store, DeleteSession(session_id=session_id, force=True))

            with store._read() as connection:
                yield cast("Connection", _Interrupted(connection, statements, delete))

        changes = SqlFeeds(read).read_changes(before, limit=100)
        later = changes_since(store, changes.cursor)
        assert told(changes) in ([f"new {session_id}"], [f"deleted {session_id}"])
        assert [*told(changes), *told(later)][-1] == f"deleted {session_id}"
