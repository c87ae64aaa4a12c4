"""Following runs and requests as the commands do, where that shows better without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import Json, ManagerClient
from agent_orchestrator.sessions.follow import follow, wait_for_request
from tests.support.manager import RunningManager
from tests.support.recording import Received, Reply, json_reply, recording

MANY = 1000
"""More than the manager reads at once."""


def raises(error: Exception) -> None:
    raise error


def test_a_newer_run_ends_the_following_once_all_events_of_the_older_are_here(
    records: ManagerClient, project: Path, new_id: Callable[[], str]
) -> None:
    session_id = new_id()
    session, _ = records.create_named_session(session_id, "x", project_dir=str(project))
    records.append_events(session_id, [{"event_type": "note"}] * (MANY - 1))
    records.append_events(session_id, [{"event_type": "session_stop"}])
    newer, _ = records.open_run(session_id)
    shown: list[Json] = []
    assert follow(records, session, shown.append, on_outage=raises) == newer
    assert [event["seq"] for event in shown] == list(range(1, MANY + 1))


def test_a_newer_run_ends_the_following_while_it_goes_on(
    records: ManagerClient, project: Path, new_id: Callable[[], str]
) -> None:
    session_id = new_id()
    session, _ = records.create_named_session(session_id, "x", project_dir=str(project))
    records.append_events(session_id, [{"event_type": "note"}])

    def show(event: Json) -> None:
        if event["event_type"] == "note":
            records.open_run(session_id, takeover=True)

    assert follow(records, session, show, on_outage=raises)["run"] == 2


@contextmanager
def stopping_manager(session: Json, request: Json) -> Iterator[ManagerClient]:
    """A manager that answers at once, also what is not settled yet, as one does that stops."""
    states = ["pending", "acknowledged", "pending", "done"]

    def answer(received: Received) -> Reply:
        if "/requests/" not in received.target:
            return json_reply({"ok": True, "session": session})
        return json_reply({"ok": True, "request": {**request, "state": states.pop(0)}})

    with recording(answer) as server, ManagerClient(server.url) as manager:
        yield manager


def test_a_request_is_waited_for_through_an_outage_and_not_for_ever(
    start_manager: Any, monkeypatch: pytest.MonkeyPatch, new_id: Callable[[], str]
) -> None:
    manager: RunningManager = start_manager()
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
    with ManagerClient(manager.url) as records:
        session = records.create_session(new_id(), "x")
        session_id = session["session_id"]
        request = records.create_request(session_id, 1, new_id(), "message", {"text": "hi"})
        assert wait_for_request(records, session, request, timeout_seconds=0.2) == request
        with stopping_manager(session, request) as early:
            assert wait_for_request(early, session, request, timeout_seconds=60)["state"] == "done"
        manager.kill()

        def come_back() -> Json:
            start_manager(manager.directory, port=manager.port)
            with ManagerClient(manager.url) as other:
                return other.settle_request(session_id, 1, request["request_id"], state="done")

        with ThreadPoolExecutor(1) as thread:
            settling = thread.submit(come_back)
            found = wait_for_request(records, session, request, timeout_seconds=30)
            assert found == settling.result()
            assert found["state"] == "done"
