"""Promise 7 of `store/protocol.py`, for every order and every filter of a list."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agent_session_manager.domain.errors import InvalidRequestError
from agent_session_manager.domain.sessions.session import Reason, State
from agent_session_manager.store.changes import DeleteSession
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import EventFilter, Mark, Order, SessionFilter, SessionSort
from tests.store.promises.changes import append, create, made, open_run, update
from tests.store.promises.events import DENIED, SOME, asked, question, says, stop, used
from tests.store.promises.stepped_clock import START, SteppedClock


def ids(
    store: Store,
    sort: SessionSort = SessionSort.CREATED,
    order: Order | None = None,
    **where: Any,
) -> list[str]:
    page = store.list_sessions(SessionFilter(**where), limit=100, sort=sort, order=order)
    assert page.next_page is None
    assert store.count_sessions(SessionFilter(**where)) == len(page.sessions)
    return [session.session_id for session in page.sessions]


def walked(store: Store, sort: SessionSort, order: Order | None) -> list[str]:
    """Return all ids, read in pages of two."""
    seen: list[str] = []
    after: Mark | None = None
    while True:
        page = store.list_sessions(SessionFilter(), limit=2, sort=sort, order=order, after=after)
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
    for session_id, seconds in (("4", 7.5), ("2", 2), ("5", 0)):
        clock.move(seconds)
        append(store, stop(), session_id=session_id)
    open_run(store, "2")
    clock.move(100)
    append(store, stop(), session_id="2")
    assert store.get_session("2").took == timedelta(seconds=109.5)
    orders = {
        SessionSort.CREATED: ["5", "4", "3", "2", "1"],
        SessionSort.ACTIVITY: ["2", "5", "4", "3", "1"],
        SessionSort.NAME: ["4", "3", "1", "5", "2"],
        SessionSort.COST: ["4", "2", "1", "5", "3"],
        SessionSort.TOOK: ["2", "5", "4", "3", "1"],
    }
    assert set(orders) == set(SessionSort)
    for sort, down in orders.items():
        usual = down[::-1] if sort is SessionSort.NAME else down
        for order, expected in (
            (None, usual), (Order.DESCENDING, down), (Order.ASCENDING, down[::-1]),
        ):  # fmt: skip
            assert ids(store, sort, order) == expected, (sort, order)
            assert walked(store, sort, order) == expected, (sort, order)


def promise_7_page_mark_of_another_order_is_refused(store: Store, clock: SteppedClock) -> None:
    for sort, wrong in (
        (SessionSort.CREATED, ("a", 1)), (SessionSort.NAME, (1, 1)), (SessionSort.NAME, ("a",)),
        (SessionSort.CREATED, ("1",)), (SessionSort.COST, (1,)), (SessionSort.ACTIVITY, (1,)),
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
    found = {state: ids(store, state=(state,)) for state in State}
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


def promise_7_sessions_are_found_by_what_they_did(store: Store, clock: SteppedClock) -> None:
    for session_id, host in (("1", "laptop"), ("2", "Laptop"), ("3", None), ("4", "server")):
        create(store, session_id, host=host)
    append(store, used(7), asked("a", 1, model="claude-opus-5"), stop(), session_id="1")
    clock.move(60)
    said = asked("b", 1, model="old"), asked("c", 1, model="GPT-6"), asked("d", 1)
    append(store, used(8), *said, stop(reason="timeout"), session_id="2")
    append(store, DENIED, stop(reason="budget"), session_id="3")
    append(store, DENIED, stop(), session_id="4")
    open_run(store, "4", host="laptop")
    assert [store.get_session(s).model for s in "1234"] == ["claude-opus-5", "GPT-6", None, None]
    minute = START + timedelta(seconds=60)
    for where, expected in (
        ({"host": "laptop"}, "41"), ({"host": "server"}, ""), ({"host": "lap"}, ""),
        ({"reason": (Reason.TIMEOUT,)}, "2"), ({"reason": (Reason.FAILED,)}, ""),
        ({"reason": (Reason.COMPLETED, Reason.BUDGET)}, "31"),
        ({"model": "gpt"}, "2"), ({"model": "OPUS-"}, "1"), ({"model": "old"}, ""),
        ({"model": "%"}, ""),
        ({"cost_over": 0}, "21"), ({"cost_over": 69_999}, "21"), ({"cost_over": 70_000}, "2"),
        ({"denied": True}, "3"), ({"denied": False}, "421"),
        ({"since": minute}, "432"), ({"until": minute}, "1"),
        ({"since": START, "until": minute}, "1"), ({"since": minute, "until": minute}, ""),
        ({"state": (State.RUNNING, State.FAILED)}, "432"),
        ({"state": (State.FAILED,), "reason": (Reason.COMPLETED, Reason.BUDGET)}, "3"),
        ({"host": "laptop", "denied": False, "since": minute}, "4"),
    ):  # fmt: skip
        assert ids(store, **where) == [*expected], where


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
