"""The program that waits for notices, against a fake manager on loopback."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.client.patient_client import PATIENCE_SECONDS
from agent_orchestrator.executors.base import Continuation
from agent_orchestrator.session_client import SessionClientError
from agent_orchestrator.sessions.errors import SessionUsageError
from agent_orchestrator.sessions.starts import order, wake
from tests.support.assignments import assignment_at
from tests.support.recording import Received, RecordingServer, Reply, json_reply, recording
from tests.support.rows import each_row

DUE = {"held": None, "newest_run": 1, "awaited": 0, "undelivered": 1, "due": True}
HELD = {**DUE, "held": "limit"}
SESSION = {"session_id": "s", "session_name": "s", "run": 1, "status": "finished"}
REVOCATION = ("DELETE", "/sessions/s/runs/1/token")


def waiting_at(url: str) -> wake.Wake:
    return wake.Wake(assignment_at(url, executor="command", run_token="t"))


def outlooks(*each: dict[str, Any]) -> Callable[[Received], Reply]:
    """Return the answers of a manager with these outlooks, one after the other."""
    left = list(each)

    def answer(received: Received) -> Reply:
        if received.method == "DELETE":
            return json_reply({"ok": True})
        if received.target.partition("?")[0].endswith("/requests"):
            return json_reply({"requests": []})
        return json_reply({"notices": left.pop(0)})

    return answer


def asked(server: RecordingServer) -> list[tuple[str, str]]:
    return [(each.method, each.target.partition("?")[0]) for each in server.requests]


@pytest.fixture
def _opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the session have a conversation that the next run continues."""
    monkeypatch.setattr(wake, "take_up", lambda *_: None)
    monkeypatch.setattr(ManagerClient, "get_session", lambda *_: SESSION)
    where = "agent_orchestrator.sessions.starts.next_run"
    monkeypatch.setattr(f"{where}.find_continuation", lambda *_, **__: Continuation())
    monkeypatch.setattr(f"{where}.find_process", lambda *_: None)


@pytest.mark.usefixtures("_opens")
@each_row(
    "error, seen",
    [
        (SessionClientError("no", 409, "run_not_automatic"), [DUE, HELD]),
        (SessionClientError("no", 409, "run_not_next"), [DUE]),
        (SessionUsageError("its agent cannot continue it"), [DUE]),
    ],
)
def test_refused_run_is_looked_at_again_or_ends_the_wait(
    error: Exception, seen: list[dict[str, Any]]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    with (
        pytest.MonkeyPatch.context() as patch,
        recording(outlooks(*seen)) as server,
    ):
        patch.setattr("agent_orchestrator.sessions.starts.start.start_next_run", refuse)
        patch.setattr("time.sleep", lambda _: None)
        waiting_at(server.url).run()
    looks = [target for _, target in asked(server) if target.endswith("/notices")]
    assert len(looks) == len(seen)
    assert asked(server)[-1] == REVOCATION


@pytest.mark.usefixtures("_opens")
def test_next_run_has_time_to_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request that opens it is not repeated."""
    given: list[float] = []

    def start(own: ManagerClient, *_: object, **__: object) -> None:
        given.append(own.timeout)

    monkeypatch.setattr("agent_orchestrator.sessions.starts.start.start_next_run", start)
    with recording(outlooks(DUE)) as server:
        waiting_at(server.url).run()
    assert given == [PATIENCE_SECONDS]


def test_order_has_time_to_be_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []

    def start(manager: ManagerClient, _: object) -> dict[str, Any]:
        given.append(manager.timeout)
        return SESSION

    monkeypatch.setattr(order, "_start", start)
    ordered = order.Order(url="http://127.0.0.1:9", kind="start", payload={}, project_dir=Path("/"))
    assert order.carry_out(ordered) == ("done", "s")
    assert given == [PATIENCE_SECONDS]


def test_stopped_wait_leaves_no_valid_token(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(ManagerClient, "get_outlook", look)
    before = signal.signal(signal.SIGTERM, wake._end)
    try:
        with recording(outlooks()) as server, pytest.raises(SystemExit):
            waiting_at(server.url).run()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert asked(server) == [REVOCATION]
