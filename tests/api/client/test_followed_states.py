"""Waiting for the states of sessions with `follow_states`, up to a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from itertools import product
from typing import Any

import pytest

from agent_orchestrator.client.follow import follow_states
from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.session_client import SessionClientError, SessionNotFoundError
from tests.api.client.conftest import Line
from tests.api.client.followed_session import STOP, NewId, fail, notes
from tests.api.client.played_feed import feed, framed
from tests.support.answers import a_session
from tests.support.manager import RunningManager
from tests.support.moved_time import PassingTime
from tests.support.proxy import Fault
from tests.support.recording import (
    Received,
    Reply,
    json_reply,
    recording,
    refused_url,
    silent_server,
)
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS


def create_sessions(records: ManagerClient, new_id: NewId, count: int) -> list[str]:
    ids = [new_id() for _ in range(count)]
    for session_id in ids:
        records.create_session(session_id, "x")
    return ids


def test_follow_states_yields_each_state_of_one_session(
    records: ManagerClient, new_id: NewId
) -> None:
    session_id = new_id()
    records.create_session(session_id, "x")
    came = []
    for session in follow_states(records, {session_id}, deadline=None, on_outage=fail):
        came.append((session["session_name"], session["status"]))
        if len(came) == 1:
            records.append_events(session_id, notes("a"))  # does not change the state
            records.update_session(session_id, session_name="y")
        elif came[-1] == ("y", "running"):
            records.append_events(session_id, [STOP])
        elif session["status"] == "finished":
            break
    assert list(dict.fromkeys(came)) == [("x", "running"), ("y", "running"), ("y", "finished")]


def test_follow_states_yields_only_the_given_sessions(
    records: ManagerClient, new_id: NewId
) -> None:
    ids = {new_id(): number for number in range(3)}
    other = new_id()
    for session_id in [*ids, other]:
        records.create_session(session_id, "x")
    came = []
    for session in follow_states(records, ids, deadline=None, on_outage=fail):
        came.append((ids[session["session_id"]], session["status"]))
        if len(came) == 3:
            for session_id in [other, *ids]:
                records.append_events(session_id, [STOP])
        if {n for n, status in came if status == "finished"} == {0, 1, 2}:
            break
    assert came[:3] == [(0, "running"), (1, "running"), (2, "running")]


def test_change_between_the_first_reads_is_not_missed(
    records: ManagerClient, new_id: NewId
) -> None:
    first, second = new_id(), new_id()
    for session_id in (first, second):
        records.create_session(session_id, "x")
    states = follow_states(records, [first, second], deadline=None, on_outage=fail)
    assert next(states)["session_id"] == first
    records.append_events(first, [STOP])
    assert next(states)["session_id"] == second
    with closing(states):
        ended = next(state for state in states if state["status"] == "finished")
    assert ended["session_id"] == first


def test_end_during_an_outage_is_not_missed(
    own: RunningManager, own_records: ManagerClient, start_manager: Any, new_id: NewId
) -> None:
    ids = [new_id(), new_id()]
    for session_id in ids:
        own_records.create_session(session_id, "x")
    for waited_for in (ids[:1], ids):
        told: list[SessionClientError] = []

        def come_back(error: SessionClientError, told: list[Any] = told) -> None:
            told.append(error)
            running = start_manager(own.directory, port=own.port)
            own_records.append_events(ids[0], [STOP])
            own.process = running.process

        states = follow_states(own_records, waited_for, deadline=None, on_outage=come_back)
        with closing(states):
            for _ in waited_for:
                next(states)
            own.kill()
            ended = next(state for state in states if state["status"] == "finished")
        assert ended["session_id"] == ids[0]
        own_records.update_session(ids[0], last_resumed_at="2026-01-01T00:00:00Z")


def test_failed_first_read_is_repeated(behind: Callable[..., Line], new_id: NewId) -> None:
    """The connection is cut between two reads. The second session ended before."""
    line = behind(lambda n: Fault(after_bytes=0, way="reset") if n == 2 else None)
    running, finished = new_id(), new_id()
    for session_id in (running, finished):
        line.records.create_session(session_id, "x")
    line.records.append_events(finished, [STOP])
    states = follow_states(line.client, [running, finished], deadline=None, on_outage=fail)
    with closing(states):
        ended = next(state for state in states if state["status"] == "finished")
    assert ended["session_id"] == finished


def test_list_feed_resumes_at_cursor_and_rereads_after_410() -> None:
    lists = iter(
        [
            feed(framed("ready", {}, "g:1")),
            json_reply({"detail": "gone", "code": "cursor_unknown", "head": "h:1"}, 410),
            feed(framed("ready", {}, "h:1")),
            feed(framed("session_updated", {"session": a_session("b")}, "h:2")),
            feed(framed("session_updated", {"session": a_session("a")}, "h:3")),
        ]
    )

    def reply(received: Received) -> Reply:
        if received.target == "/sessions":
            return next(lists)
        return feed(framed("session", {"session": a_session(received.target.split("/")[2])}))

    with recording(reply) as server, ManagerClient(server.url) as client:
        states = follow_states(client, ["a", "b"], deadline=None, on_outage=fail)
        with closing(states):
            seen = [next(states)["session_id"] for _ in range(6)]
    assert seen == ["a", "b", "a", "b", "b", "a"]
    asked = [r.headers.get("last-event-id") for r in server.requests if r.target == "/sessions"]
    assert asked == [None, "g:1", None, "h:1", "h:2"]


@each_row("count", [1, 2])
def test_deleted_session_among_those_waited_for_is_not_found(
    records: ManagerClient, new_id: NewId, count: int
) -> None:
    ids = create_sessions(records, new_id, count)
    states = follow_states(records, ids, deadline=None, on_outage=fail)
    for _ in ids:
        next(states)
    records.delete_session(ids[-1])
    with pytest.raises(SessionNotFoundError, match=ids[-1]):
        list(states)


@each_row("seconds, count, somewhere", product([0.0, 0.5], [1, 2], [silent_server, refused_url]))
def test_wait_ends_at_its_deadline_without_a_manager(
    seconds: float, count: int, somewhere: Callable[[], AbstractContextManager[str]]
) -> None:
    ids = [f"x{number}" for number in range(count)]
    told: list[SessionClientError] = []
    time = PassingTime()
    deadline = time.now + seconds
    with somewhere() as url, ManagerClient(url) as client:
        states = follow_states(client, ids, deadline=deadline, on_outage=told.append, time=time)
        assert list(states) == []
    assert len(told) == 1
    assert time.now >= deadline


def test_wait_ends_at_its_deadline_on_a_stalled_connection(
    behind: Callable[..., Line], new_id: NewId
) -> None:
    line = behind(lambda n: Fault(after_bytes=0, way="stall") if n > 0 else None)
    session_id = new_id()
    line.records.create_session(session_id, "x")
    time = PassingTime()
    deadline = time.now + 1_000
    states = follow_states(
        line.client, [session_id], deadline=deadline, on_outage=lambda _: None, time=time
    )
    assert next(states)["status"] == "running"
    time.now = deadline - 0.5
    assert list(states) == []


@each_row("count", [1, 2])
def test_wait_ends_at_its_deadline_without_a_change(
    records: ManagerClient, new_id: NewId, count: int
) -> None:
    ids = create_sessions(records, new_id, count)
    time = PassingTime()
    deadline = time.now + 1_000
    # The time that is left at the end may be too short for a read: that counts as an outage.
    states = follow_states(records, ids, deadline=deadline, on_outage=lambda _: None, time=time)
    assert [next(states)["session_id"] for _ in ids] == ids
    time.now = deadline - 0.5
    assert {state["session_id"] for state in states} <= set(ids)
    assert time.now >= deadline


@each_row("count", [1, 2])
def test_wait_ends_at_its_deadline_with_constant_changes(
    manager: RunningManager, records: ManagerClient, new_id: NewId, count: int
) -> None:
    ids = create_sessions(records, new_id, count)
    is_over = threading.Event()

    def rename() -> None:
        with ManagerClient(manager.url) as client:
            number = 0
            while not is_over.is_set():
                number += 1
                client.update_session(ids[0], session_name=f"y{number}")

    renaming = threading.Thread(target=rename)
    renaming.start()
    time = PassingTime(step_seconds=0.5)
    try:
        states = follow_states(
            records, ids, deadline=time.now + 10, on_outage=lambda _: None, time=time
        )
        assert {state["session_id"] for state in states} <= set(ids)
    finally:
        is_over.set()
        renaming.join(WATCHDOG_SECONDS)
