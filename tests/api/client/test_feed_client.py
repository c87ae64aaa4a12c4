"""Following one session of a real manager, over restarts and until its end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent_orchestrator.client.follow import follow_session, follow_states
from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.session_client import SessionClientError, SessionNotFoundError
from tests.api.client.followed_session import STOP, NewId, fail, notes
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS, wait_for


def test_feed_yields_history_then_new_events_then_the_end(
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
def test_follow_yields_only_events_after_a_seq(
    records: ManagerClient, new_id: NewId, after_seq: int, seqs: list[int]
) -> None:
    session_id = new_id()
    records.create_session(session_id, "x")
    records.append_events(session_id, [*notes("a", "b"), STOP])
    session = records.get_session(session_id)
    frames = list(follow_session(records, session, after_seq=after_seq, on_outage=fail))
    assert [f.content["seq"] for f in frames if f.name == "event"] == seqs
    assert frames[-1].session == session


def test_restart_of_the_manager_neither_skips_nor_repeats_events(
    own: RunningManager, own_records: ManagerClient, new_id: NewId
) -> None:
    session = own_records.create_session(new_id(), "x")
    own_records.append_events(session["session_id"], notes("a"))
    seqs = []
    for frame in follow_session(own_records, session, on_outage=fail):
        if frame.name == "event":
            seqs.append(frame.content["seq"])
            if frame.content["seq"] == 1:
                own.restart()
                own_records.append_events(session["session_id"], [*notes("b"), STOP])
    assert seqs == [1, 2, 3]


def test_client_waits_for_manager_and_reports_each_outage_once(
    own: RunningManager, own_records: ManagerClient, start_manager: Any, new_id: NewId
) -> None:
    session = own_records.create_session(new_id(), "x")
    session_id = session["session_id"]
    own_records.append_events(session_id, notes("a"))
    told: list[SessionClientError] = []
    running = [own]

    def come_back(error: SessionClientError) -> None:
        told.append(error)
        running.append(start_manager(own.directory, port=own.port))
        last = [STOP] if len(told) == 2 else []
        own_records.append_events(session_id, [*notes("b"), *last])

    seqs = []
    for frame in follow_session(own_records, session, on_outage=come_back):
        if frame.name == "event":
            seqs.append(frame.content["seq"])
            if len(told) < 2:
                running[-1].kill()
    assert seqs == [1, 2, 3, 4]
    assert [error.status_code for error in told] == [None, None]


def test_session_deleted_while_followed_is_not_found(records: ManagerClient, new_id: NewId) -> None:
    session = records.create_session(new_id(), "x")
    with pytest.raises(SessionNotFoundError, match=session["session_id"]):
        for _ in follow_session(records, session, on_outage=fail):
            records.delete_session(session["session_id"])


def test_new_session_with_the_id_of_a_deleted_is_not_followed(
    records: ManagerClient, new_id: NewId
) -> None:
    session = records.create_session(new_id(), "x")
    records.delete_session(session["session_id"])
    with pytest.raises(SessionNotFoundError):
        next(follow_session(records, session, on_outage=fail))
    records.create_session(session["session_id"], "x")
    with pytest.raises(SessionNotFoundError):
        next(follow_session(records, session, on_outage=fail))


def connections_to(port: int) -> int:
    return sum(
        bool(c.raddr) and c.raddr.port == port and c.status == psutil.CONN_ESTABLISHED
        for c in psutil.Process().net_connections("tcp")
    )


def test_closed_reader_leaves_no_connection(
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
def test_stored_error_keeps_no_connection_open(
    manager: RunningManager, records: ManagerClient, new_id: NewId, follow: str
) -> None:
    session = records.create_session(new_id(), "x")
    session_id = session["session_id"]
    frames: Iterator[Any] = follow_session(records, session, on_outage=fail)
    if follow == "states":
        frames = follow_states(records, [session_id], deadline=None, on_outage=fail)
        next(frames)  # reads the session; the next call opens the feed
    next(frames)
    records.delete_session(session_id)
    before = connections_to(manager.port)
    with pytest.raises(SessionNotFoundError) as caught:
        list(frames)
    assert connections_to(manager.port) == before - 1
    assert session_id in str(caught.value)


def test_ctrl_c_ends_following_and_leaves_no_connection(
    manager: RunningManager, records: ManagerClient, new_id: NewId
) -> None:
    session = records.create_session(new_id(), "x")
    before = connections_to(manager.port)
    frames = follow_session(records, session, on_outage=fail)
    next(frames)
    main = threading.main_thread().native_id

    def interrupt() -> None:
        thread = f"/proc/self/task/{main}/stat"
        wait_for(lambda: state_of(thread) == "S", "the client waits for the manager")
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
