"""Promise 13 of `store/protocol.py`: sessions that retention archives, deletes or keeps."""

from __future__ import annotations

from datetime import timedelta

from agent_session_manager.domain.transcript import NewEntry, TranscriptKey
from agent_session_manager.store.change import changed_sessions
from agent_session_manager.store.feeds import DeletedSession
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import SessionFilter
from agent_session_manager.store.retention import (
    ArchiveSessions,
    DeleteArchived,
    DeleteTranscripts,
    RetentionChange,
)
from agent_session_manager.store.transcripts import AppendTranscript
from tests.store.promises.changes import append, create, made, open_run, update
from tests.store.promises.events import SOME, stop
from tests.store.promises.stepped_clock import SteppedClock

DAY = 24 * 3600.0


def finished(store: Store, session_id: str, **fields: object) -> None:
    create(store, session_id, **fields)
    append(store, SOME, stop(), session_id=session_id)


def due(store: Store, clock: SteppedClock, change: type[RetentionChange]) -> list[str]:
    """Return the sessions without activity for a day."""
    before = clock.now - timedelta(days=1)
    return [one.session_id for one in store.retention.find_due(change, before, limit=99)]


def retired(
    store: Store, clock: SteppedClock, change: type[RetentionChange], *session_ids: str
) -> list[str]:
    """Apply a retention change to these sessions and return the ids that it changed."""
    asked = change(session_ids=session_ids, before=clock.now - timedelta(days=1))
    outcome = made(store, asked)
    assert isinstance(outcome, list)
    told = changed_sessions([asked], [outcome])
    assert told == (set() if change is DeleteTranscripts else set(outcome))
    return [str(one) for one in outcome]


def ids(store: Store, *, archived: bool | None = None) -> list[str]:
    page = store.list_sessions(SessionFilter(archived=archived), limit=99)
    return sorted(session.session_id for session in page.sessions)


def promise_13_finished_sessions_are_archived_after_the_term(
    store: Store, clock: SteppedClock
) -> None:
    finished(store, "old", unique_name=True)
    clock.move(DAY / 2)
    finished(store, "young")
    assert due(store, clock, ArchiveSessions) == []
    clock.move(DAY / 2)
    assert due(store, clock, ArchiveSessions) == ["old"]
    cursor = store.feeds.head()
    assert retired(store, clock, ArchiveSessions, "old", "young", "unknown") == ["old"]
    assert store.get_session("old").archived_at == clock.now
    assert ids(store, archived=True) == ["old"]
    changes = store.feeds.read_changes(cursor, limit=9).changes
    assert len(changes) == 1
    create(store, "other", session_name="old", unique_name=True)  # the name is free
    assert due(store, clock, ArchiveSessions) == []


def promise_13_running_and_held_sessions_are_never_changed(
    store: Store, clock: SteppedClock
) -> None:
    create(store, "running")
    create(store, "held", holder="h")
    create(store, "archived and running")
    update(store, "archived and running", archived=True)
    finished(store, "resumed")
    update(store, "resumed", archived=True)
    clock.move(3 * DAY)
    open_run(store, "resumed")
    clock.move(3 * DAY)
    names = ids(store)
    for change in (ArchiveSessions, DeleteArchived):
        assert due(store, clock, change) == []
        assert retired(store, clock, change, *names) == []
    assert ids(store) == names


def promise_13_archived_sessions_are_deleted_after_the_term(
    store: Store, clock: SteppedClock
) -> None:
    finished(store, "mine")
    finished(store, "kept")
    clock.move(9 * DAY)
    update(store, "mine", archived=True)
    clock.move(DAY / 2)
    assert due(store, clock, DeleteArchived) == []
    clock.move(DAY / 2)
    assert due(store, clock, DeleteArchived) == ["mine"]
    cursor = store.feeds.head()
    assert retired(store, clock, DeleteArchived, "mine", "kept") == ["mine"]
    assert ids(store) == ["kept"]
    (told,) = store.feeds.read_changes(cursor, limit=9).changes
    assert isinstance(told, DeletedSession)
    assert told.session_id == "mine"


def promise_13_activity_and_unarchiving_restart_the_term(store: Store, clock: SteppedClock) -> None:
    finished(store, "event")
    finished(store, "run")
    finished(store, "back")
    for session_id in ("event", "run", "back"):
        update(store, session_id, archived=True)
    clock.move(2 * DAY)
    assert due(store, clock, DeleteArchived) == ["event", "run", "back"]
    append(store, SOME, session_id="event")
    open_run(store, "run")
    append(store, stop(run=2), session_id="run")
    update(store, "back", archived=False)
    assert store.get_session("event").archived_at is not None
    assert retired(store, clock, DeleteArchived, "event", "run", "back") == []
    assert due(store, clock, ArchiveSessions) == []
    clock.move(DAY)
    assert due(store, clock, DeleteArchived) == ["event", "run"]
    assert due(store, clock, ArchiveSessions) == ["back"]


def promise_13_children_are_retired_before_their_parents(store: Store, clock: SteppedClock) -> None:
    finished(store, "parent")
    finished(store, "child", parent_session_id="parent")
    create(store, "running child", parent_session_id="child")
    clock.move(DAY)
    assert due(store, clock, ArchiveSessions) == []
    assert retired(store, clock, ArchiveSessions, "parent", "child") == []
    append(store, stop(), session_id="running child")
    assert due(store, clock, ArchiveSessions) == []
    update(store, "running child", archived=True)
    assert due(store, clock, ArchiveSessions) == ["child"]
    assert retired(store, clock, ArchiveSessions, "parent", "child") == ["child"]
    assert retired(store, clock, ArchiveSessions, "parent") == ["parent"]
    clock.move(DAY)
    update(store, "child", archived=False)
    assert due(store, clock, DeleteArchived) == ["running child"]


def promise_13_due_sessions_have_a_count_of_rows(store: Store, clock: SteppedClock) -> None:
    create(store, "s")
    append(store, *[SOME] * 9, stop())
    _transcribe(store, "s", 5)
    clock.move(DAY)
    (found,) = store.retention.find_due(ArchiveSessions, clock.now, limit=9)
    assert found.rows == 15
    assert store.retention.find_due(ArchiveSessions, clock.now, limit=0) == []


def promise_13_transcripts_are_deleted_after_the_term(store: Store, clock: SteppedClock) -> None:
    for name in ("unknown", "alive", "running"):
        _transcribe(store, name, 3)
    finished(store, "finished")
    create(store, "running")
    _transcribe(store, "finished", 3)
    clock.move(DAY)
    _transcribe(store, "alive", 4, subpath="subagents/1")
    cursor = store.feeds.head()
    names = ("unknown", "alive", "running", "finished")
    assert due(store, clock, DeleteTranscripts) == ["finished", "unknown"]
    assert sorted(retired(store, clock, DeleteTranscripts, *names)) == ["finished", "unknown"]
    assert due(store, clock, DeleteTranscripts) == []
    assert store.get_session("finished").last_seq == 2
    assert store.feeds.read_changes(cursor, limit=9).changes == []


def _transcribe(store: Store, session_id: str, count: int, subpath: str | None = None) -> None:
    key = TranscriptKey(project_key="p", session_id=session_id, subpath=subpath)
    entries = [NewEntry(line=f'{{"n":{n}}}', entry_id=f"{n}") for n in range(count)]
    made(store, AppendTranscript(key=key, entries=entries))
