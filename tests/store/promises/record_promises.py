"""Promises 1 to 4 and 8 of `store/protocol.py`: changes, numbers, ids of events and deletion."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from agent_session_manager.domain.errors import (
    InvalidEventError,
    NameTakenError,
    NoResultError,
    SessionExistsError,
    SessionNotFoundError,
    SessionRunningError,
)
from agent_session_manager.domain.sessions.session import Run, Session, Usage
from agent_session_manager.store.changes import CreateSession, DeleteSession, OpenRun, UpdateSession
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import EventFilter
from tests.store.promises.changes import (
    append,
    appending,
    create,
    ids,
    kinds,
    made,
    open_run,
    seqs_of,
    update,
)
from tests.store.promises.events import SOME, says, stop, used
from tests.store.promises.stepped_clock import START, SteppedClock


def promise_1_created_session_is_read_back_complete(store: Store, clock: SteppedClock) -> None:
    spec = {"argv": ["x", 1.5, None], "текст": "🦾"}
    created = create(
        store,
        session_name="naïve 🦾",
        project_dir="/p",
        agent_name="a",
        executor="e",
        parent_session_id="parent",
        unique_name=True,
        host="h",
        spec=spec,
    )
    assert re.fullmatch("[0-9a-f]{32}", created.generation)
    assert created == Session(
        session_id="s",
        generation=created.generation,
        session_name="naïve 🦾",
        project_dir="/p",
        agent_name="a",
        created_at=START,
        last_resumed_at=None,
        last_activity_at=START,
        executor="e",
        parent_session_id="parent",
        archived_at=None,
        unique_name=True,
        last_seq=0,
        usage=Usage(),
        newest_run=Run(run=1, started_at=START, host="h"),
        child_count=0,
    )
    assert store.get_session("s") == created
    assert store.get_status("s") == "running"
    assert store.list_runs("s") == [Run(run=1, started_at=START, host="h", spec=spec)]


def promise_1_changes_of_a_batch_take_effect_in_order(store: Store, clock: SteppedClock) -> None:
    outcomes = store.commit(
        [
            appending("s", SOME),
            CreateSession(session_id="s", session_name="first"),
            appending("s", SOME, stop(exit_code=1)),
            OpenRun(session_id="s"),
            UpdateSession(session_id="s", session_name="renamed"),
            appending("s", SOME),
            DeleteSession(session_id="s"),
            appending("s", SOME),
            CreateSession(session_id="s", session_name="second"),
            appending("s", SOME),
        ]
    )
    assert kinds(outcomes) == [
        SessionNotFoundError,
        Session,
        list,
        Session,
        Session,
        list,
        int,
        SessionNotFoundError,
        Session,
        list,
    ]
    assert [outcomes[2], outcomes[5], outcomes[6], outcomes[9]] == [[1, 2], [3], 3, [1]]
    session = store.get_session("s")
    assert (session.session_name, session.newest_run.run, session.last_seq) == ("second", 1, 1)


def promise_1_empty_batch_and_empty_append_change_nothing(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    before = store.get_session("s")
    clock.move(5)
    assert store.commit([]) == []
    assert append(store) == []
    assert store.get_session("s") == before


def promise_1_event_is_read_back_unchanged(store: Store, clock: SteppedClock) -> None:
    create(store)
    fields = {
        "tool_name": "Bash",
        "tool_input": {"a": [1, -2.5, 2**63, None, True, {"b": "\u2028\x7f\x1b[31m"}]},
        "tool_output": "日本語 🦾 \ufffe " + "x" * 1_000_000,
        "timestamp": "not a timestamp",
    }
    clock.move(0.000001)
    append(store, {"event_type": "own type", "event_id": "é", **fields})
    (event,) = store.list_events("s", EventFilter(), limit=10).events
    assert (event.seq, event.event_type, event.event_id, event.run, event.late) == (
        1,
        "own type",
        "é",
        1,
        False,
    )
    assert event.recorded_at == START + timedelta(microseconds=1)
    assert event.fields == fields


def promise_2_refused_change_has_no_effect_on_its_batch(store: Store, clock: SteppedClock) -> None:
    create(store, "held", session_name="name", unique_name=True)
    outcomes = store.commit(
        [
            CreateSession(session_id="first", session_name="first"),
            CreateSession(session_id="held", session_name="again"),
            appending("none", SOME),
            appending("first", SOME),
            appending("first", SOME, {**SOME, "run": 2}, SOME),
            appending("first", SOME),
            CreateSession(session_id="other", session_name="name", unique_name=True),
            OpenRun(session_id="first"),
            OpenRun(session_id="none"),
            UpdateSession(session_id="none", session_name="x"),
            DeleteSession(session_id="none"),
            CreateSession(session_id="last", session_name="last"),
        ]
    )
    assert kinds(outcomes) == [
        Session,
        SessionExistsError,
        SessionNotFoundError,
        list,
        InvalidEventError,
        list,
        NameTakenError,
        SessionRunningError,
        SessionNotFoundError,
        SessionNotFoundError,
        SessionNotFoundError,
        Session,
    ]
    assert [outcomes[3], outcomes[5]] == [[1], [2]]
    assert isinstance(outcomes[4], InvalidEventError)
    assert outcomes[4].index == 1
    assert ids(store) == ["last", "first", "held"]
    assert seqs_of(store, "first") == [1, 2]
    assert store.get_session("first").newest_run.run == 1
    assert store.get_session("held").session_name == "name"


def promise_2_reads_of_an_unknown_session_are_refused(store: Store, clock: SteppedClock) -> None:
    assert store.get_status("none") == "not_existent"
    for read in (
        lambda: store.get_session("none"),
        lambda: store.get_result("none"),
        lambda: store.list_runs("none"),
        lambda: store.list_events("none", EventFilter(), limit=1),
    ):
        with pytest.raises(SessionNotFoundError):
            read()


def promise_3_events_are_numbered_per_session(store: Store, clock: SteppedClock) -> None:
    create(store, "a")
    create(store, "b")
    outcomes = store.commit(
        [
            appending("a", SOME, SOME),
            appending("b", SOME),
            appending("a", SOME),
            appending("b", SOME, SOME),
        ]
    )
    assert outcomes == [[1, 2], [1], [3], [2, 3]]
    assert append(store, SOME, session_id="a") == [4]
    assert seqs_of(store, "a") == [1, 2, 3, 4]
    assert store.get_session("a").last_seq == 4


def promise_3_order_is_commit_order_if_the_clock_jumps_back(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    append(store, says("first", timestamp="2030-01-01T00:00:00Z"))
    clock.move(-3 * 24 * 3600)
    append(store, says("second", timestamp="1999-01-01T00:00:00Z"))
    clock.move(-3600)
    append(store, stop(exit_code=0))
    events = store.list_events("s", EventFilter(), limit=10).events
    assert [event.seq for event in events] == [1, 2, 3]
    assert events[0].recorded_at > events[1].recorded_at > events[2].recorded_at
    assert store.get_result("s") == "second"
    create(store, "created later")
    assert ids(store) == ["created later", "s"]


def promise_3_every_event_of_a_long_session_can_be_read(store: Store, clock: SteppedClock) -> None:
    create(store)
    numbers = range(1, 751)
    for start in range(0, 750, 250):  # several statements each
        append(store, *({"event_type": "n", "n": n} for n in numbers[start : start + 250]))
    read: list[int] = []
    more = True
    while more:
        where = EventFilter(after_seq=read[-1] if read else 0)
        page = store.list_events("s", where, limit=177)
        assert [event.fields["n"] for event in page.events] == [e.seq for e in page.events]
        read += [event.seq for event in page.events]
        more = page.has_more
    assert read == list(numbers)


def promise_4_event_id_is_stored_once_in_lists_and_batches(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    create(store, "other")
    one, two = {**SOME, "event_id": "1"}, {**SOME, "event_id": "2"}
    assert append(store, one, one, two, SOME) == [1, 1, 2, 3]
    assert store.commit([appending("s", one), appending("s", two, SOME), appending("s", one)]) == [
        [1],
        [2, 4],
        [1],
    ]
    assert store.commit([appending("s", SOME), appending("s", SOME)]) == [[5], [6]]
    three = {**SOME, "event_id": "3"}
    assert store.commit([appending("s", three), appending("other", three, one)]) == [[7], [1, 2]]
    assert append(store, {"event_type": "changed", "event_id": "1", "x": 1}) == [1]
    assert seqs_of(store) == [1, 2, 3, 4, 5, 6, 7]
    assert store.list_events("s", EventFilter(), limit=1).events[0].event_type == "some"


def promise_4_event_sent_again_changes_nothing(store: Store, clock: SteppedClock) -> None:
    create(store)
    end = stop(event_id="end", exit_code=1)
    spent = used(5, event_id="used")
    answer = says("answer", event_id="answer")
    append(store, answer, spent, end)
    before = store.get_session("s")
    clock.move(60)
    assert append(store, end, spent, answer) == [3, 2, 1]
    assert store.get_session("s") == before
    open_run(store)
    append(store, says("new"))
    resumed = store.get_session("s")
    clock.move(60)
    assert append(store, end, spent, answer) == [3, 2, 1]
    assert store.get_session("s") == resumed
    assert store.get_status("s") == "running"


def promise_4_refused_list_does_not_use_up_its_event_ids(store: Store, clock: SteppedClock) -> None:
    create(store)
    one = {**SOME, "event_id": "1"}
    outcomes = store.commit([appending("s", one, {**SOME, "run": 9}), appending("s", SOME, one)])
    assert kinds(outcomes) == [InvalidEventError, list]
    assert outcomes[1] == [1, 2]


def promise_8_deletion_removes_only_the_given_session(store: Store, clock: SteppedClock) -> None:
    for session_id in ("a", "b"):
        create(store, session_id)
        append(store, says("x", event_id="1"), stop(), session_id=session_id)
        open_run(store, session_id)
    other = store.get_session("b")
    assert made(store, DeleteSession(session_id="a")) == 2
    assert isinstance(made(store, DeleteSession(session_id="a")), SessionNotFoundError)
    assert store.get_status("a") == "not_existent"
    assert ids(store) == ["b"]
    assert store.get_session("b") == other
    assert (seqs_of(store, "b"), len(store.list_runs("b"))) == ([1, 2], 2)


def promise_8_session_with_a_reused_id_starts_empty(store: Store, clock: SteppedClock) -> None:
    create(store, unique_name=True)
    append(store, says("old", event_id="1"), used(5), stop(exit_code=1))
    update(store, archived=True)
    made(store, DeleteSession(session_id="s"))
    clock.move(9)
    again = create(store)
    assert again.newest_run == Run(run=1, started_at=clock.now)
    assert (again.last_seq, again.usage, again.archived_at) == (0, Usage(), None)
    assert seqs_of(store) == []
    assert append(store, {**SOME, "event_id": "1"}, stop()) == [1, 2]
    with pytest.raises(NoResultError):
        store.get_result("s")
