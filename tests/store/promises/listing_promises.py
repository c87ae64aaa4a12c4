"""Promise 7 of `store/protocol.py`, for every order and every filter of a list."""

from __future__ import annotations

from typing import Any

import pytest

from agent_session_manager.domain.errors import InvalidRequestError
from agent_session_manager.domain.session import State
from agent_session_manager.store.changes import DeleteSession
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import EventFilter, Mark, SessionFilter, SessionSort
from tests.store.promises.changes import append, create, made, open_run, update
from tests.store.promises.events import SOME, question, says, stop, used
from tests.store.promises.stepped_clock import SteppedClock


def ids(store: Store, sort: SessionSort = SessionSort.CREATED, **where: Any) -> list[str]:
    page = store.list_sessions(SessionFilter(**where), limit=100, sort=sort)
    assert page.next_page is None
    return [session.session_id for session in page.sessions]


def walked(store: Store, sort: SessionSort) -> list[str]:
    """Return all ids, read in pages of two."""
    seen: list[str] = []
    after: Mark | None = None
    while True:
        page = store.list_sessions(SessionFilter(), limit=2, sort=sort, after=after)
        seen += [session.session_id for session in page.sessions]
        if page.next_page is None:
            return seen
        after = page.next_page


def promise_7_each_order_is_correct_and_its_pages_complete(
    store: Store, clock: SteppedClock
) -> None:
    for session_id, name, tokens in (
        ("1", "b", 5), ("2", "a", 5), ("3", "b", 0), ("4", "c", 9), ("5", "a", 0),
    ):  # fmt: skip
        create(store, session_id, session_name=name)
        append(store, used(tokens), session_id=session_id)
    update(store, "2", agent_name="x")
    append(store, SOME, session_id="4")
    orders = {
        SessionSort.CREATED: ["5", "4", "3", "2", "1"],
        SessionSort.ACTIVITY: ["4", "2", "5", "3", "1"],
        SessionSort.NAME: ["2", "5", "1", "3", "4"],
        SessionSort.COST: ["4", "2", "1", "5", "3"],
    }
    assert set(orders) == set(SessionSort)
    for sort, expected in orders.items():
        assert ids(store, sort) == expected, sort
        assert walked(store, sort) == expected, sort


def promise_7_page_mark_of_another_order_is_refused(store: Store, clock: SteppedClock) -> None:
    for sort, wrong in (
        (SessionSort.CREATED, ("a", 1)), (SessionSort.NAME, (1, 1)), (SessionSort.NAME, ("a",)),
        (SessionSort.CREATED, ("1",)), (SessionSort.COST, (1,)), (SessionSort.ACTIVITY, ()),
        (SessionSort.CREATED, (True,)),
    ):  # fmt: skip
        with pytest.raises(InvalidRequestError):
            store.list_sessions(SessionFilter(), limit=1, sort=sort, after=wrong)


def promise_7_sessions_are_found_by_their_state(store: Store, clock: SteppedClock) -> None:
    reasons = ("completed", "failed", "timeout", "budget", "stopped", "lost")
    for reason in reasons:
        create(store, reason)
        append(store, stop(reason=reason), session_id=reason)
    create(store, "running")
    create(store, "resumed")
    append(store, stop(reason="failed"), session_id="resumed")
    open_run(store, "resumed")
    create(store, "waiting")
    append(store, question(), session_id="waiting")
    found = {state: ids(store, state=state) for state in State}
    assert found == {
        State.WAITING: ["waiting"],
        State.RUNNING: ["resumed", "running"],
        State.FINISHED: ["completed"],
        State.FAILED: ["budget", "timeout", "failed"],
        State.STOPPED: ["stopped"],
        State.LOST: ["lost"],
    }
    for state, named in found.items():
        assert {store.get_session(session_id).state for session_id in named} == {state}


def promise_7_sessions_are_found_by_part_of_id_name_or_project(
    store: Store, clock: SteppedClock
) -> None:
    create(store, "id-one", session_name="Fix Login", project_dir="/home/me/web", agent_name="rev")
    create(store, "id-two", session_name="100%_done", project_dir=None)
    for text, expected in {
        "login": ["id-one"], "FIX": ["id-one"], "me/web": ["id-one"], "rev": ["id-one"],
        "id-": ["id-two", "id-one"], "%_": ["id-two"], "_": ["id-two"], "nothing": [],
    }.items():  # fmt: skip
        assert ids(store, text=text) == expected, text
    for part, expected in {
        "web": ["id-one"], "ME/W": ["id-one"], "/home/me/web": ["id-one"], "rev": [], "id-": [],
        "_": [], "%": [],
    }.items():  # fmt: skip
        assert ids(store, project=part) == expected, part
    assert ids(store, project="web", text="100") == []


def promise_7_sessions_are_found_by_executor_and_by_top_level(
    store: Store, clock: SteppedClock
) -> None:
    create(store, "p", executor="claude")
    create(store, "c", executor="command", parent_session_id="p")
    assert ids(store, executor="claude") == ["p"]
    assert ids(store, top_level=True) == ["p"]
    assert ids(store, top_level=False) == ["c"]
    assert ids(store, top_level=True, executor="command") == []
    assert [store.get_session(s).child_count for s in "pc"] == [1, 0]
    made(store, DeleteSession(session_id="c"))
    assert store.get_session("p").child_count == 0


def promise_7_only_events_with_an_error_are_found(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(
        store,
        {**SOME, "error": "first"},
        SOME,
        {**SOME, "error": None},
        says('it said "error": "none"'),
        {**SOME, "tool_output": {"error": "of the tool"}},
        {**SOME, "error": ""},
        {**SOME, "error": "last"},
    )

    def found(limit: int = 10, **where: Any) -> tuple[list[int], bool]:
        page = store.list_events("s", EventFilter(has_error=True, **where), limit=limit)
        return [event.seq for event in page.events], page.has_more

    assert found() == ([1, 6, 7], False)
    assert found(limit=1) == ([1], True)
    assert found(limit=1, after_seq=1) == ([6], True)
    assert found(limit=2, before_seq=8) == ([7, 6], True)
