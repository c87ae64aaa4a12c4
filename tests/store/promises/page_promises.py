"""Promise 7 of `store/protocol.py`: filters and pages of sessions and events."""

from __future__ import annotations

from agent_session_manager.store.changes import DeleteSession
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import EventFilter, SessionFilter
from tests.store.promises.changes import append, create, ids, made, open_run, seqs_of, update
from tests.store.promises.events import SOME, stop
from tests.store.promises.stepped_clock import SteppedClock


def promise_7_list_is_newest_first_and_filtered(store: Store, clock: SteppedClock) -> None:
    create(store, "a1", session_name="x", project_dir="/p", agent_name="r", executor="s")
    create(store, "a2", session_name="x", project_dir="/q", parent_session_id="a1", executor="r")
    create(store, "b.1", session_name="y", project_dir="/p")
    create(store, "A3", session_name="X")
    create(store, "a_1", session_name="%")
    append(store, stop(), session_id="a1")
    update(store, "b.1", archived=True)
    assert ids(store) == ["a_1", "A3", "b.1", "a2", "a1"]
    for where, expected in (
        ({"session_name": "x"}, ["a2", "a1"]),
        ({"session_name": "x", "project_dir": "/p"}, ["a1"]),
        ({"session_name": "%"}, ["a_1"]),
        ({"project_dir": "/p"}, ["b.1", "a1"]),
        ({"agent_name": "r"}, ["a1"]),
        ({"agent": "r"}, ["a2", "a1"]),
        ({"agent": "r", "agent_name": "r"}, ["a1"]),
        ({"agent": "r", "agent_name": "s"}, []),
        ({"agent": "s"}, []),
        ({"executor": "s"}, ["a1"]),
        ({"text": "R"}, ["a2", "a1"]),
        ({"status": "finished"}, ["a1"]),
        ({"status": "running", "project_dir": "/p"}, ["b.1"]),
        ({"parent_session_id": "a1"}, ["a2"]),
        ({"archived": True}, ["b.1"]),
        ({"archived": False, "project_dir": "/p"}, ["a1"]),
        ({"id_prefix": "a"}, ["a_1", "a2", "a1"]),
        ({"id_prefix": "a_"}, ["a_1"]),
        ({"id_prefix": "a1"}, ["a1"]),
        ({"id_prefix": "%"}, []),
        ({"id_prefix": "b."}, ["b.1"]),
        ({"id_prefix": ""}, ["a_1", "A3", "b.1", "a2", "a1"]),
        ({"session_name": "none"}, []),
    ):
        assert ids(store, **where) == expected, where


def promise_7_pages_hold_each_session_once_despite_new_sessions(
    store: Store, clock: SteppedClock
) -> None:
    for number in range(7):
        create(store, f"s{number}", project_dir="/p")
    seen = []
    after = None
    while True:
        page = store.list_sessions(SessionFilter(project_dir="/p"), limit=2, after=after)
        seen += [session.session_id for session in page.sessions]
        if page.next_page is None:
            break
        after = page.next_page
        create(store, f"later-{after[-1]}", project_dir="/p")
        append(store, SOME, session_id="s0")
    assert seen == [f"s{number}" for number in range(6, -1, -1)]


def promise_7_deletion_during_paging_skips_no_other_session(
    store: Store, clock: SteppedClock
) -> None:
    for number in range(4):
        create(store, f"s{number}")
    first = store.list_sessions(SessionFilter(), limit=2)
    made(store, DeleteSession(session_id="s2"))
    second = store.list_sessions(SessionFilter(), limit=2, after=first.next_page)
    assert [session.session_id for session in second.sessions] == ["s1", "s0"]
    assert second.next_page is None


def promise_7_full_last_page_has_no_next_page(store: Store, clock: SteppedClock) -> None:
    create(store, "a")
    create(store, "b")
    assert store.list_sessions(SessionFilter(), limit=2).next_page is None
    assert store.list_sessions(SessionFilter(), limit=1).next_page is not None
    assert store.list_sessions(SessionFilter(), limit=1, after=(0, 1)).sessions == []


def promise_7_events_are_filtered_by_seq_type_and_run(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, *({"event_type": "odd" if n % 2 else "even"} for n in range(1, 7)), stop())
    open_run(store)
    append(store, {"event_type": "odd"}, {"event_type": "odd", "run": 1})
    for where, expected in (
        ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ({"after_seq": 7}, [8, 9]),
        ({"after_seq": 9}, []),
        ({"before_seq": 4}, [3, 2, 1]),
        ({"before_seq": 1}, []),
        ({"before_seq": 0}, []),
        ({"event_type": "odd"}, [1, 3, 5, 8, 9]),
        ({"event_type": "odd", "after_seq": 3}, [5, 8, 9]),
        ({"event_type": "odd", "before_seq": 5}, [3, 1]),
        ({"run": 2}, [8]),
        ({"run": 1, "event_type": "odd", "after_seq": 3}, [5, 9]),
        ({"run": 3}, []),
    ):
        assert seqs_of(store, **where) == expected, where


def promise_7_page_of_events_has_more_only_if_events_follow(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    append(store, *[SOME] * 5)
    for where, limit, expected in (
        (EventFilter(), 5, ([1, 2, 3, 4, 5], False)),
        (EventFilter(), 4, ([1, 2, 3, 4], True)),
        (EventFilter(after_seq=3), 2, ([4, 5], False)),
        (EventFilter(before_seq=5), 4, ([4, 3, 2, 1], False)),
        (EventFilter(before_seq=6), 4, ([5, 4, 3, 2], True)),
    ):
        page = store.list_events("s", where, limit=limit)
        assert ([event.seq for event in page.events], page.has_more) == expected


def promise_7_page_of_large_events_is_limited_by_size(store: Store, clock: SteppedClock) -> None:
    create(store)
    for _ in range(4):
        append(store, *[{"event_type": "large", "text": "x" * 1_000_000}] * 5)
    for going_up in (True, False):
        read: list[int] = []
        pages = 0
        more = True
        while more:
            last = read[-1] if read else (0 if going_up else 21)
            where = EventFilter(after_seq=last) if going_up else EventFilter(before_seq=last)
            page = store.list_events("s", where, limit=1000)
            assert 0 < len(page.events) < 20
            read += [event.seq for event in page.events]
            pages += 1
            more = page.has_more
        assert sorted(read) == list(range(1, 21))
        assert pages == 3
