"""Following sessions through `feed_client`: a real manager, one that goes away, and poor lines."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from itertools import product
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent_orchestrator.client.follow import follow_session, follow_states
from agent_orchestrator.client.manager import Json, ManagerClient
from agent_orchestrator.session_client import SessionClientError, SessionNotFoundError
from tests.support.answers import a_session
from tests.support.manager import RunningManager
from tests.support.moved_time import PassingTime
from tests.support.proxy import WAYS, Fault, Way, misbehaving
from tests.support.recording import (
    Received,
    Reply,
    json_reply,
    recording,
    refused_url,
    silent_server,
)
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

NewId = Callable[[], str]
STOP = {"event_type": "session_stop", "reason": "completed"}
GREETING_BYTES = 300
"""Fewer than the head of an answer and the first frame of a feed have."""


@pytest.fixture
def records(manager: RunningManager, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagerClient]:
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
    with ManagerClient(manager.url) as opened:
        yield opened


def fail(error: SessionClientError) -> None:
    raise AssertionError(f"an outage was told: {error}")


def notes(*texts: str) -> list[Json]:
    return [{"event_type": "note", "text": text} for text in texts]


def test_history_comes_first_then_what_happens_then_the_end(
    records: ManagerClient, new_id: NewId
) -> None:
    session = records.create_session(new_id(), "x")
    session_id = session["session_id"]
    records.append_events(session_id, notes("a", "b"))
    names, texts = [], []
    for frame in follow_session(records, session, on_outage=fail):
        names.append(frame.name)
        if frame.name == "event":
            texts.append(frame.content.get("text"))
            if texts[-1] == "b":
                records.append_events(session_id, notes("c"))
            elif texts[-1] == "c":
                records.append_events(session_id, [STOP])
    assert names[:3] == ["session", "event", "event"]
    assert texts == ["a", "b", "c", None]
    assert names[-1] == "end"
    assert frame.session == records.get_session(session_id)


@each_row(("after_seq", "seqs"), [(0, [1, 2, 3]), (1, [2, 3]), (3, []), (99, [])])
def test_only_events_past_the_seq_come_also_where_that_is_past_the_head(
    records: ManagerClient, new_id: NewId, after_seq: int, seqs: list[int]
) -> None:
    session_id = new_id()
    records.create_session(session_id, "x")
    records.append_events(session_id, [*notes("a", "b"), STOP])
    session = records.get_session(session_id)
    frames = list(follow_session(records, session, after_seq=after_seq, on_outage=fail))
    assert [f.content["seq"] for f in frames if f.name == "event"] == seqs
    assert frames[-1].session == session


def test_restart_of_the_manager_is_not_seen_in_what_comes(
    start_manager: Any, monkeypatch: pytest.MonkeyPatch, new_id: NewId
) -> None:
    manager: RunningManager = start_manager()
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
    with ManagerClient(manager.url) as records:
        session = records.create_session(new_id(), "x")
        records.append_events(session["session_id"], notes("a"))
        seqs = []
        for frame in follow_session(records, session, on_outage=fail):
            if frame.name == "event":
                seqs.append(frame.content["seq"])
                if frame.content["seq"] == 1:
                    manager.restart()
                    records.append_events(session["session_id"], [*notes("b"), STOP])
    assert seqs == [1, 2, 3]


def test_manager_that_is_away_is_waited_for_and_each_outage_told_once(
    start_manager: Any, monkeypatch: pytest.MonkeyPatch, new_id: NewId
) -> None:
    manager: RunningManager = start_manager()
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
    with ManagerClient(manager.url) as records:
        session = records.create_session(new_id(), "x")
        session_id = session["session_id"]
        records.append_events(session_id, notes("a"))
        told: list[SessionClientError] = []
        running = [manager]

        def come_back(error: SessionClientError) -> None:
            told.append(error)
            running.append(start_manager(manager.directory, port=manager.port))
            last = [STOP] if len(told) == 2 else []
            records.append_events(session_id, [*notes("b"), *last])

        seqs = []
        for frame in follow_session(records, session, on_outage=come_back):
            if frame.name == "event":
                seqs.append(frame.content["seq"])
                if len(told) < 2:
                    running[-1].kill()
    assert seqs == [1, 2, 3, 4]
    assert [error.status_code for error in told] == [None, None]


def test_session_that_is_deleted_meanwhile_is_not_found(
    records: ManagerClient, new_id: NewId
) -> None:
    session = records.create_session(new_id(), "x")
    with pytest.raises(SessionNotFoundError, match=session["session_id"]):
        for _ in follow_session(records, session, on_outage=fail):
            records.delete_session(session["session_id"])


def test_another_session_of_the_same_id_is_not_followed(
    records: ManagerClient, new_id: NewId
) -> None:
    session = records.create_session(new_id(), "x")
    records.delete_session(session["session_id"])
    with pytest.raises(SessionNotFoundError):
        next(follow_session(records, session, on_outage=fail))
    records.create_session(session["session_id"], "x")
    with pytest.raises(SessionNotFoundError):
        next(follow_session(records, session, on_outage=fail))


def framed(name: str, content: Json, cursor: str | None = None) -> bytes:
    identity = f"id: {cursor}\n" if cursor else ""
    return f"event: {name}\n{identity}data: {json.dumps(content)}\n\n".encode()


def event(seq: int) -> bytes:
    return framed("event", {"seq": seq}, f"g:{seq}")


OPENING = framed("session", {"session": {"run": 1}})
END = framed("end", {"session": {"run": 1}})
SESSION = {"session_id": "x", "generation": "g", "last_seq": 9}


def feed(*frames: bytes) -> Reply:
    return Reply(body=b"".join(frames), content_type="text/event-stream")


def played(replies: list[Reply]) -> Callable[[Received], Reply]:
    """One reply after another; the last one again and again."""
    left = iter(replies[:-1])
    return lambda _received: next(left, replies[-1])


@each_row("wrong", [event(1), event(3), framed("event", {}, "g:7")])
def test_event_that_does_not_come_next_is_asked_for_anew_and_neither_skipped_nor_repeated(
    wrong: bytes,
) -> None:
    replies = [feed(OPENING, event(1), wrong, event(2)), feed(OPENING, event(2), event(3), END)]
    with recording(played(replies)) as server, ManagerClient(server.url) as client:
        frames = list(follow_session(client, SESSION, on_outage=fail))
    assert [f.content["seq"] for f in frames if f.name == "event"] == [1, 2, 3]
    assert [r.headers["last-event-id"] for r in server.requests] == ["g:0", "g:1"]


@each_row(
    ("reply", "told"),
    [
        (feed(OPENING, event(2)), "event 2 came after 0"),
        (json_reply({"events": [], "has_more": False}), "older than this command"),
    ],
)
def test_what_a_manager_does_wrong_again_and_again_is_told(reply: Reply, told: str) -> None:
    class Told(Exception):
        pass

    def tell(error: SessionClientError) -> None:
        raise Told(str(error))

    with (
        recording(reply) as server,
        ManagerClient(server.url) as client,
        pytest.raises(Told, match=told),
    ):
        list(follow_session(client, SESSION, on_outage=tell))


def test_frames_of_a_later_version_are_passed_over() -> None:
    replies = feed(OPENING, framed("weather", {"sun": True}), event(1), END)
    with recording(replies) as server, ManagerClient(server.url) as client:
        frames = list(follow_session(client, SESSION, on_outage=fail))
    assert [f.name for f in frames] == ["session", "event", "end"]


def test_frame_that_says_deleted_is_the_end() -> None:
    gone = feed(OPENING, framed("deleted", {"session_id": "x"}), event(1))
    with (
        recording(gone) as server,
        ManagerClient(server.url) as client,
        pytest.raises(SessionNotFoundError, match="no session 'x'"),
    ):
        list(follow_session(client, SESSION, on_outage=fail))
    assert len(server.requests) == 1


def test_manager_that_stops_is_left_and_come_back_to() -> None:
    replies = [feed(OPENING, event(1), framed("bye", {}), event(2)), feed(OPENING, event(2), END)]
    with recording(played(replies)) as server, ManagerClient(server.url) as client:
        frames = list(follow_session(client, SESSION, on_outage=fail))
    assert [r.headers["last-event-id"] for r in server.requests] == ["g:0", "g:1"]
    assert [f.content["seq"] for f in frames if f.name == "event"] == [1, 2]


@each_row(
    ("status", "code"),
    [(400, "invalid_request"), (404, "session_not_found"), (410, "cursor_unknown")],
)
def test_refusal_for_good_is_raised_at_once(status: int, code: str) -> None:
    refused = json_reply({"detail": "no", "code": code}, status)
    with (
        recording(refused) as server,
        ManagerClient(server.url) as client,
        pytest.raises(SessionClientError) as caught,
    ):
        next(follow_session(client, SESSION, on_outage=fail))
    assert len(server.requests) == 1
    assert isinstance(caught.value, SessionNotFoundError) == (status != 400)


@each_row(
    "passing",
    [
        json_reply({"detail": "full", "code": "overloaded"}, 503),
        json_reply({"detail": "who?", "code": "unauthorized"}, 401),
        json_reply({"detail": "slow down", "code": "too_many_failures"}, 429),
        json_reply({"events": [], "has_more": False}),
        Reply(status=404, body=b"<h1>Not here</h1>", content_type="text/html"),
        Reply(body=b"event: event\ndata: ?\n\n", content_type="text/event-stream"),
    ],
)
def test_answer_that_may_be_another_later_is_told_and_waited_out(passing: Reply) -> None:
    told: list[SessionClientError] = []
    replies = [passing, passing, feed(OPENING, event(1), END)]
    with recording(played(replies)) as server, ManagerClient(server.url) as client:
        frames = list(follow_session(client, SESSION, on_outage=told.append))
    assert [f.name for f in frames] == ["session", "event", "end"]
    assert len(told) == 1


@each_row("status", [401, 403])
def test_refused_token_is_refused_for_good(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = json_reply({"detail": "who?", "code": "unauthorized"}, status)
    with recording(refused) as server:
        send_token(monkeypatch, server.url, "t" * 40)
        with ManagerClient(server.url) as client, pytest.raises(SessionClientError) as caught:
            next(follow_session(client, SESSION, on_outage=fail))
    assert (caught.value.status_code, len(server.requests)) == (status, 1)


def test_token_that_changes_meanwhile_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[SessionClientError] = []

    def answer(received: Received) -> Reply:
        if received.headers["authorization"].endswith("old"):
            monkeypatch.setenv("AGENT_ORCHESTRATOR_TOKEN", "t" * 40 + "new")
            return json_reply({"detail": "who?", "code": "unauthorized"}, 401)
        return feed(OPENING, event(1), END)

    with recording(answer) as server:
        send_token(monkeypatch, server.url, "t" * 40 + "old")
        with ManagerClient(server.url) as client:
            frames = list(follow_session(client, SESSION, on_outage=told.append))
    assert ([f.name for f in frames], len(told)) == (["session", "event", "end"], 1)


def send_token(monkeypatch: pytest.MonkeyPatch, url: str, token: str) -> None:
    """Have commands send a token to a server on this machine, as through a tunnel."""
    monkeypatch.setenv("AGENT_ORCHESTRATOR_SESSION_MANAGER_URL", url)
    monkeypatch.setenv("AGENT_ORCHESTRATOR_TOKEN", token)


class Line:
    """A manager behind a proxy: the client goes through that, and `records` does not."""

    def __init__(self, port: int, records: ManagerClient, client: ManagerClient) -> None:
        self.port = port
        self.records = records
        self.client = client


@pytest.fixture
def behind(start_manager: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Line]]:
    opened: list[Any] = []

    def open_line(fault: Callable[[int], Fault | None]) -> Line:
        proxy_context = misbehaving(fault)
        proxy = proxy_context.__enter__()
        opened.append(lambda: proxy_context.__exit__(None, None, None))
        manager = start_manager(arguments=["--allow-host", f"127.0.0.1:{proxy.port}"])
        proxy.to_port = manager.port
        monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
        monkeypatch.setenv("AGENT_ORCHESTRATOR_SESSION_MANAGER_URL", proxy.url)
        monkeypatch.setenv("AGENT_ORCHESTRATOR_TOKEN", manager.token)
        line = Line(manager.port, ManagerClient(manager.url), ManagerClient(proxy.url))
        opened.extend([line.records.close, line.client.close])
        return line

    yield open_line
    for close in reversed(opened):
        close()


def test_line_that_is_cut_anywhere_loses_nothing(
    behind: Callable[..., Line], new_id: NewId
) -> None:
    faults: list[Fault] = []
    line = behind(lambda _number: faults.pop() if faults else None)

    @each_row("after_bytes, way", product([0, 10, GREETING_BYTES, 3000], WAYS))
    def is_read_whole(after_bytes: int, way: Way) -> None:
        session = line.records.create_session(new_id(), "x")
        line.records.append_events(session["session_id"], [*notes(*"abcdefghij"), STOP])
        faults.append(Fault(after_bytes=after_bytes, way=way))
        told: list[SessionClientError] = []
        # Only what ends by silence has to be short; how often is then up to the machine.
        silence_seconds = 1.0 if way == "stall" else WATCHDOG_SECONDS
        with ManagerClient(line.client.base_url) as client:
            frames = follow_session(
                client, session, on_outage=told.append, silence_seconds=silence_seconds
            )
            seqs = [f.content["seq"] for f in frames if f.name == "event"]
        assert (seqs, faults) == (list(range(1, 12)), [])
        assert len(told) <= 1 or way == "stall"

    is_read_whole()


def test_states_of_one_come_at_first_and_when_they_change(
    records: ManagerClient, new_id: NewId
) -> None:
    session_id = new_id()
    records.create_session(session_id, "x")
    came = []
    for session in follow_states(records, {session_id}, deadline=None, on_outage=fail):
        came.append((session["session_name"], session["status"]))
        if len(came) == 1:
            records.append_events(session_id, notes("a"))  # is no change of how it stands
            records.update_session(session_id, session_name="y")
        elif came[-1] == ("y", "running"):
            records.append_events(session_id, [STOP])
        elif session["status"] == "finished":
            break
    assert list(dict.fromkeys(came)) == [("x", "running"), ("y", "running"), ("y", "finished")]


def test_states_of_several_come_at_first_and_when_they_change_and_of_no_others(
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


def test_change_between_the_looks_is_not_missed(records: ManagerClient, new_id: NewId) -> None:
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
    start_manager: Any, monkeypatch: pytest.MonkeyPatch, new_id: NewId
) -> None:
    manager: RunningManager = start_manager()
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
    with ManagerClient(manager.url) as records:
        ids = [new_id(), new_id()]
        for session_id in ids:
            records.create_session(session_id, "x")
        for waited_for in (ids[:1], ids):
            told: list[SessionClientError] = []

            def come_back(error: SessionClientError, told: list[Any] = told) -> None:
                told.append(error)
                running = start_manager(manager.directory, port=manager.port)
                records.append_events(ids[0], [STOP])
                manager.process = running.process

            states = follow_states(records, waited_for, deadline=None, on_outage=come_back)
            with closing(states):
                for _ in waited_for:
                    next(states)
                manager.kill()
                ended = next(state for state in states if state["status"] == "finished")
            assert ended["session_id"] == ids[0]
            records.update_session(ids[0], last_resumed_at="2026-01-01T00:00:00Z")


def test_look_that_failed_is_taken_again(behind: Callable[..., Line], new_id: NewId) -> None:
    """The line is cut between the two, and the second has ended before."""
    line = behind(lambda n: Fault(after_bytes=0, way="reset") if n == 2 else None)
    running, finished = new_id(), new_id()
    for session_id in (running, finished):
        line.records.create_session(session_id, "x")
    line.records.append_events(finished, [STOP])
    states = follow_states(line.client, [running, finished], deadline=None, on_outage=fail)
    with closing(states):
        ended = next(state for state in states if state["status"] == "finished")
    assert ended["session_id"] == finished


def test_list_goes_on_at_its_cursor_and_is_looked_at_anew_where_that_is_not_known_any_more() -> (
    None
):
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
def test_one_of_those_waited_for_that_is_deleted_is_not_found(
    records: ManagerClient, new_id: NewId, count: int
) -> None:
    ids = [new_id() for _ in range(count)]
    for session_id in ids:
        records.create_session(session_id, "x")
    states = follow_states(records, ids, deadline=None, on_outage=fail)
    for _ in ids:
        next(states)
    records.delete_session(ids[-1])
    with pytest.raises(SessionNotFoundError, match=ids[-1]):
        list(states)


@each_row("seconds, count, somewhere", product([0.0, 0.5], [1, 2], [silent_server, refused_url]))
def test_wait_keeps_to_its_time_while_the_manager_says_nothing_or_is_away(
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


def test_wait_keeps_to_its_time_while_the_line_is_silent_after_the_look(
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
def test_wait_keeps_to_its_time_while_nothing_happens_and_has_looked_once(
    records: ManagerClient, new_id: NewId, count: int
) -> None:
    ids = [new_id() for _ in range(count)]
    for session_id in ids:
        records.create_session(session_id, "x")
    time = PassingTime()
    deadline = time.now + 1_000
    # What little time is left in the end may be too short for a look, which is an outage.
    states = follow_states(records, ids, deadline=deadline, on_outage=lambda _: None, time=time)
    assert [next(states)["session_id"] for _ in ids] == ids
    time.now = deadline - 0.5
    assert {state["session_id"] for state in states} <= set(ids)
    assert time.now >= deadline


@each_row("count", [1, 2])
def test_wait_keeps_to_its_time_while_very_much_happens(
    manager: RunningManager, records: ManagerClient, new_id: NewId, count: int
) -> None:
    ids = [new_id() for _ in range(count)]
    for session_id in ids:
        records.create_session(session_id, "x")
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


def connections_to(port: int) -> int:
    return sum(
        bool(c.raddr) and c.raddr.port == port and c.status == psutil.CONN_ESTABLISHED
        for c in psutil.Process().net_connections("tcp")
    )


def test_reader_that_has_seen_enough_leaves_no_connection(
    manager: RunningManager, records: ManagerClient, new_id: NewId
) -> None:
    session = records.create_session(new_id(), "x")
    before = connections_to(manager.port)
    for frames in (
        follow_session(records, session, on_outage=fail),
        follow_states(records, [session["session_id"]], deadline=None, on_outage=fail),
    ):
        next(frames)
        frames.close()
        assert connections_to(manager.port) <= before


@each_row("follow", ["events", "states"])
def test_error_that_is_kept_keeps_no_connection(
    manager: RunningManager, records: ManagerClient, new_id: NewId, follow: str
) -> None:
    session = records.create_session(new_id(), "x")
    session_id = session["session_id"]
    frames: Iterator[Any] = follow_session(records, session, on_outage=fail)
    if follow == "states":
        frames = follow_states(records, [session_id], deadline=None, on_outage=fail)
        next(frames)  # a look; the feed is opened by the next one
    next(frames)
    records.delete_session(session_id)
    before = connections_to(manager.port)
    with pytest.raises(SessionNotFoundError) as caught:
        list(frames)
    assert connections_to(manager.port) == before - 1
    assert session_id in str(caught.value)


def test_ctrl_c_ends_it_at_once_and_leaves_no_connection(
    manager: RunningManager, records: ManagerClient, new_id: NewId
) -> None:
    session = records.create_session(new_id(), "x")
    before = connections_to(manager.port)
    frames = follow_session(records, session, on_outage=fail)
    next(frames)
    main = threading.main_thread().native_id

    def interrupt() -> None:
        thread = f"/proc/self/task/{main}/stat"
        wait_for(lambda: state_of(thread) == "S", "it waits for the manager")
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    with pytest.raises(KeyboardInterrupt):
        interrupting.start()
        list(frames)
    interrupting.join(WATCHDOG_SECONDS)
    assert connections_to(manager.port) <= before
    assert records.get_session(session["session_id"])["status"] == "running"


def state_of(stat_file: str) -> str:
    return Path(stat_file).read_text().rpartition(") ")[2][0]
