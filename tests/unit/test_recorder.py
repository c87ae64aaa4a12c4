from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
import stamina

from agent_orchestrator.manager_client import ManagerClient
from agent_orchestrator.recorder import MAX_BATCH_BYTES, Recorder, RecordingError
from agent_orchestrator.session_client import SessionClientError, SessionNotFoundError
from tests.support.recording import json_reply, recording

Event = dict[str, Any]
WAIT_SECONDS = 5.0


class Manager:
    """Takes events as a manager does, after `refuse` has let them pass or has raised."""

    def __init__(self, refuse: Callable[[Sequence[Event]], None] = lambda events: None) -> None:
        self._refuse = refuse
        self.requests: list[list[Event]] = []
        self.events: list[Event] = []

    def append_events(self, session_id: str, events: Sequence[Event]) -> list[int]:
        assert session_id == "s"
        self.requests.append(list(events))
        self._refuse(events)
        self.events += events
        return list(range(len(events)))

    def names(self) -> list[str]:
        return [event["name"] for event in self.events]


def unreachable() -> SessionClientError:
    error = SessionClientError("nobody answers")
    error.__cause__ = httpx.ConnectError("refused")
    return error


def event(name: str) -> Event:
    return {"event_type": "message", "name": name}


def test_events_arrive_in_order_each_with_its_run_and_an_id_of_its_own() -> None:
    manager = Manager()
    with Recorder(manager, "s", 3) as recorder:
        for number in range(100):
            recorder.record(event(str(number)))
    assert manager.names() == [str(number) for number in range(100)]
    assert {event["run"] for event in manager.events} == {3}
    assert len({event["event_id"] for event in manager.events}) == 100


def test_an_event_keeps_the_id_that_its_agent_gave_it() -> None:
    manager = Manager()
    with Recorder(manager, "s", 1) as recorder:
        recorder.record({**event("one"), "event_id": "its own"})
    assert manager.events[0]["event_id"] == "its own"


def test_a_recorder_without_events_asks_nothing() -> None:
    manager = Manager()
    with Recorder(manager, "s", 1):
        pass
    assert manager.requests == []


def test_recording_never_waits_and_what_came_during_a_request_shares_the_next_one() -> None:
    asked, answered = threading.Event(), threading.Event()

    def slow(_events: Sequence[Event]) -> None:
        asked.set()
        assert answered.wait(WAIT_SECONDS)

    manager = Manager(slow)
    with Recorder(manager, "s", 1) as recorder:
        recorder.record(event("first"))
        assert asked.wait(WAIT_SECONDS)
        for number in range(5):
            recorder.record(event(str(number)))
        answered.set()
    assert [len(request) for request in manager.requests] == [1, 5]


def behind_a_slow_request(manager: Manager, gate: threading.Event, events: list[Event]) -> None:
    """Record these while the manager is busy with another, so that all of them wait together."""
    with Recorder(manager, "s", 1) as recorder:
        recorder.record(event("first"))
        for each in events:
            recorder.record(each)
        gate.set()


def test_a_request_holds_a_thousand_events_and_no_more() -> None:
    gate = threading.Event()
    manager = Manager(lambda events: None if gate.wait(WAIT_SECONDS) else None)
    behind_a_slow_request(manager, gate, [event(str(number)) for number in range(2500)])
    assert max(len(request) for request in manager.requests) == 1000
    assert manager.names() == ["first", *(str(number) for number in range(2500))]


def test_a_request_is_not_larger_than_its_limit_but_for_one_event_that_is() -> None:
    gate = threading.Event()
    manager = Manager(lambda events: None if gate.wait(WAIT_SECONDS) else None)
    large = {**event("large"), "text": "x" * (MAX_BATCH_BYTES // 2 + 1)}
    huge = {**event("huge"), "text": "x" * (MAX_BATCH_BYTES + 1)}
    behind_a_slow_request(manager, gate, [large, large, huge, event("last")])
    names = [[each["name"] for each in request] for request in manager.requests]
    assert names[-4:] == [["large"], ["large"], ["huge"], ["last"]] or names == [
        ["first", "large"],
        ["large"],
        ["huge"],
        ["last"],
    ]


@pytest.mark.parametrize(
    "error",
    [
        unreachable(),
        SessionClientError("busy", status_code=503, code="store_unavailable"),
        SessionClientError("the token is of another instance", status_code=401),
    ],
)
def test_what_may_pass_is_sent_again_with_the_same_ids(error: SessionClientError) -> None:
    errors = [error, error]

    def refuse(_events: Sequence[Event]) -> None:
        if errors:
            raise errors.pop()

    manager = Manager(refuse)
    with stamina.set_testing(True, attempts=10), Recorder(manager, "s", 1) as recorder:
        recorder.record(event("one"))
    assert manager.names() == ["one"]
    assert len(manager.requests) == 3
    assert len({request[0]["event_id"] for request in manager.requests}) == 1


def test_a_manager_that_is_gone_for_good_is_given_up_and_the_loss_is_counted() -> None:
    def refuse(_events: Sequence[Event]) -> None:
        raise unreachable()

    with (
        pytest.raises(RecordingError, match="^2 events did not reach the manager: nobody answers$"),
        Recorder(Manager(refuse), "s", 1, give_up_seconds=0.05) as recorder,
    ):
        recorder.record(event("one"))
        recorder.record(event("two"))


def test_a_session_that_is_gone_is_given_up_at_once() -> None:
    def refuse(_events: Sequence[Event]) -> None:
        raise SessionNotFoundError("no session 's'", 404, "session_not_found")

    manager = Manager(refuse)
    with (
        pytest.raises(RecordingError, match="^1 events did not reach the manager: no session"),
        Recorder(manager, "s", 1) as recorder,
    ):
        recorder.record(event("one"))
    assert len(manager.requests) == 1


def test_only_what_was_not_taken_counts_as_lost() -> None:
    gate = threading.Event()

    def refuse(events: Sequence[Event]) -> None:
        assert gate.wait(WAIT_SECONDS)
        if len(events) > 1:
            raise SessionClientError("one of them is bad", status_code=422)
        if events[0]["name"] == "three":
            raise SessionNotFoundError("gone meanwhile", 404)

    manager = Manager(refuse)
    with pytest.raises(RecordingError, match="^2 events did not reach the manager: gone"):
        behind_a_slow_request(manager, gate, [event("two"), event("three"), event("four")])
    assert manager.names() == ["first", "two"]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_one_event_that_is_refused_holds_up_no_other_and_is_told(status: int) -> None:
    gate = threading.Event()

    def refuse(events: Sequence[Event]) -> None:
        assert gate.wait(WAIT_SECONDS)
        if any(each["name"] == "bad" for each in events):
            raise SessionClientError("not like this", status_code=status)

    manager = Manager(refuse)
    with pytest.raises(RecordingError, match="^the manager refused an event: not like this$"):
        behind_a_slow_request(manager, gate, [event("two"), event("bad"), event("four")])
    assert manager.names() == ["first", "two", "four"]


@pytest.mark.parametrize("value", [float("nan"), object(), "\ud800"])
def test_an_event_that_is_no_json_holds_up_no_other_and_nobody_waits_for_it(value: object) -> None:
    with (
        recording(json_reply({"ok": True, "seqs": [1]})) as server,
        ManagerClient(server.url) as manager,
        pytest.raises(RecordingError, match="cannot be sent as JSON"),
        Recorder(manager, "s", 1) as recorder,
    ):
        recorder.record({**event("bad"), "value": value})
        recorder.record(event("good"))
    (request,) = server.requests
    assert b'"good"' in request.body


def test_the_error_inside_the_block_is_not_hidden_by_what_could_not_be_recorded() -> None:
    def refuse(_events: Sequence[Event]) -> None:
        raise SessionNotFoundError("gone", 404)

    with pytest.raises(KeyError), Recorder(Manager(refuse), "s", 1) as recorder:
        recorder.record(event("one"))
        raise KeyError
