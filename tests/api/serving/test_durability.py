"""Acknowledged events are stored: with concurrent writers, after a stop, and after a kill."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tests.support.api import Api, raw_connection
from tests.support.load import Load, load, stored_events
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS

StartManager = Callable[..., RunningManager]

SESSION = "under-load"


def create_session(manager: RunningManager) -> None:
    with Api(manager) as api:
        body = {"session_id": SESSION, "session_name": SESSION}
        assert api.post("/sessions", body).status == 201


def assert_all_there(manager: RunningManager, *loads: Load) -> None:
    """Check that each acknowledged event is stored once at its seq, and that no seq is missing."""
    stored = stored_events(manager, SESSION)
    assert sorted(stored) == list(range(1, len(stored) + 1))
    assert len(set(stored.values())) == len(stored)
    acknowledged = {seq: event_id for each in loads for event_id, seq in each.acknowledged.items()}
    assert acknowledged.items() <= stored.items()
    assert len(acknowledged) == sum(len(each.acknowledged) for each in loads)


def test_sixteen_writers_of_one_session_leave_no_gaps_in_seqs(
    manager: RunningManager, session_id: str
) -> None:
    together = Barrier(16)

    def append_twenty(writer: int) -> list[tuple[int, str]]:
        with Api(manager) as api:
            together.wait(WATCHDOG_SECONDS)
            answers = []
            for number in range(20):
                event_id = f"{writer}-{number}"
                event = {"event_type": "x", "event_id": event_id}
                (seq,) = api.post(f"/sessions/{session_id}/events", event).json["seqs"]
                answers.append((seq, event_id))
            return answers

    with ThreadPoolExecutor(16) as threads:
        answers = [answer for each in threads.map(append_twenty, range(16)) for answer in each]
    assert dict(answers) == stored_events(manager, session_id)
    assert sorted(seq for seq, _ in answers) == list(range(1, 321))


def test_event_sent_again_after_a_lost_response_is_stored_once(
    manager: RunningManager, api: Api, session_id: str
) -> None:
    event = {"event_type": "x", "event_id": "again"}
    body = json.dumps(event)
    request = (
        f"POST /sessions/{session_id}/events HTTP/1.1\r\nHost: 127.0.0.1:{manager.port}\r\n"
        f"Authorization: Bearer {manager.token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    for _ in range(5):
        with raw_connection(manager.port) as connection:
            connection.socket.sendall(request.encode())
    assert api.post(f"/sessions/{session_id}/events", event).json["seqs"] == [1]
    assert stored_events(manager, session_id) == {1: "again"}


def test_locked_database_gives_503_and_does_not_block_reads(
    start_manager: StartManager,
) -> None:
    """The test takes 5 seconds: so long the manager waits for the lock."""
    own = start_manager()
    create_session(own)
    event = {"event_type": "x", "event_id": "1"}
    holding = sqlite3.connect(own.state_dir / "sessions.db", isolation_level=None)
    holding.execute("BEGIN IMMEDIATE")
    with Api(own) as api, Api(own) as reading, ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(api.post, f"/sessions/{SESSION}/events", event)
        assert reading.get(f"/sessions/{SESSION}/status").json == {"status": "running"}
        refused = waiting.result(WATCHDOG_SECONDS)
        assert refused.refusal == (503, "store_unavailable")
        assert refused.headers["retry-after"] == "1"
        assert "INSERT" not in refused.json["detail"]
        holding.execute("ROLLBACK")
        holding.close()
        assert api.post(f"/sessions/{SESSION}/events", event).json["seqs"] == [1]


def test_stop_under_load_keeps_all_acknowledged_events(start_manager: StartManager) -> None:
    own = start_manager()
    create_session(own)
    with load(own, SESSION) as writers:
        writers.wait_until_acknowledged(100)
        own.process.send_signal(signal.SIGTERM)
        assert own.process.wait(WATCHDOG_SECONDS) == 0
    assert set(writers.refused) <= {503}
    assert '"trace": ' not in own.log()
    own.restart()
    assert_all_there(own, writers)


def test_kills_under_load_lose_no_acknowledged_event(start_manager: StartManager) -> None:
    own = start_manager()
    create_session(own)
    loads = []
    for count in (1, 20, 50, 100, 200):
        with load(own, SESSION) as writers:
            writers.wait_until_acknowledged(count)
            own.kill()
        loads.append(writers)
        own.restart()
        assert_all_there(own, *loads)


def test_session_is_unchanged_after_a_kill(start_manager: StartManager) -> None:
    own = start_manager()
    create_session(own)
    content = [{"type": "text", "text": "kept"}]
    with Api(own) as api:
        path = f"/sessions/{SESSION}"
        message = {"event_type": "message", "role": "assistant", "content": content}
        api.post(f"{path}/events", [message, {"event_type": "session_stop", "exit_code": 0}])
        before = api.get(path).json
    own.kill()
    own.restart()
    with Api(own) as api:
        assert api.get(path).json == before
        assert api.get(f"{path}/result").json == {"result": "kept"}
        assert api.get(f"{path}/status").json == {"status": "finished"}
