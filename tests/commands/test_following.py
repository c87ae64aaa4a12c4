"""Functions with which commands follow runs and requests, called without a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent_orchestrator.client.manager import Json, ManagerClient
from agent_orchestrator.sessions.follow import follow, wait_for_request
from tests.support.manager import RunningManager
from tests.support.recording import Received, Reply, json_reply, recording
from tests.support.waiting import WATCHDOG_SECONDS

MANY = 1000
"""More events than the manager reads at once."""


def raises(error: Exception) -> None:
    raise error


def test_follow_returns_a_newer_run_after_all_earlier_events(
    records: ManagerClient, project: Path, new_id: Callable[[], str]
) -> None:
    session_id = new_id()
    session, *_ = records.create_named_session(session_id, "x", project_dir=str(project))
    records.append_events(session_id, [{"event_type": "note"}] * (MANY - 1))
    records.append_events(session_id, [{"event_type": "session_stop"}])
    newer, *_ = records.open_run(session_id)
    shown: list[Json] = []
    assert follow(records, session, shown.append, on_outage=raises) == newer
    assert [event["seq"] for event in shown] == list(range(1, MANY + 1))


def test_follow_returns_when_a_takeover_starts_a_newer_run(
    records: ManagerClient, project: Path, new_id: Callable[[], str]
) -> None:
    session_id = new_id()
    session, *_ = records.create_named_session(session_id, "x", project_dir=str(project))
    records.append_events(session_id, [{"event_type": "note"}])

    def show(event: Json) -> None:
        if event["event_type"] == "note":
            records.open_run(session_id, takeover=True)

    assert follow(records, session, show, on_outage=raises)["run"] == 2


@contextmanager
def stopping_manager(session: Json, request: Json) -> Iterator[ManagerClient]:
    """A manager that answers at once even if a request is pending, as during its shutdown."""
    states = ["pending", "acknowledged", "pending", "done"]

    def answer(received: Received) -> Reply:
        if "/requests/" not in received.target:
            return json_reply({"ok": True, "session": session})
        return json_reply({"ok": True, "request": {**request, "state": states.pop(0)}})

    with recording(answer) as server, ManagerClient(server.url) as manager:
        yield manager


def test_wait_for_request_survives_an_outage_and_times_out(
    own: RunningManager, own_records: ManagerClient, start_manager: Any, new_id: Callable[[], str]
) -> None:
    session = own_records.create_session(new_id(), "x")
    session_id = session["session_id"]
    request = own_records.create_request(session_id, 1, new_id(), "message", {"text": "hi"})
    assert wait_for_request(own_records, session, request, timeout_seconds=0.2) == request
    with stopping_manager(session, request) as early:
        settled = wait_for_request(early, session, request, timeout_seconds=WATCHDOG_SECONDS)
        assert settled["state"] == "done"
    own.kill()

    def come_back() -> Json:
        start_manager(own.directory, port=own.port)
        with ManagerClient(own.url) as other:
            return other.settle_request(session_id, 1, request["request_id"], state="done")

    with ThreadPoolExecutor(1) as thread:
        settling = thread.submit(come_back)
        found = wait_for_request(own_records, session, request, timeout_seconds=WATCHDOG_SECONDS)
        assert found == settling.result()
        assert found["state"] == "done"
