"""Leases and long polls over time: expiry, restart, waiting, and shutdown."""

from __future__ import annotations

import select
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from typing import Any

from agent_shared.manager_settings import DEFAULT_LEASE_SECONDS
from tests.support.api import Answer, Api, raw_connection
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

StartManager = Callable[..., RunningManager]

PATH = "/sessions/s"
LEASE = f"{PATH}/runs/1/lease"
REQUESTS = f"{PATH}/runs/1/requests"
ME = {"holder": "me"}
A_TERM = DEFAULT_LEASE_SECONDS + 1
POLL_SECONDS = 25
"""The longest wait of a poll. Everything that a test waits for happens before."""
POLLS = 50


def create(manager: RunningManager) -> dict[str, Any]:
    """Create session `s` whose run 1 is held by `me`."""
    with Api(manager) as api:
        answer = api.post("/sessions", {"session_id": "s", "session_name": "s", "lease": ME})
        assert answer.status == 201
        session: dict[str, Any] = answer.json["session"]
        return session


def session_of(manager: RunningManager) -> dict[str, Any]:
    with Api(manager) as api:
        session: dict[str, Any] = api.get(PATH).json["session"]
        return session


def lost(manager: RunningManager) -> dict[str, Any]:
    """Wait until the session is finished, and return it."""
    return wait_for(
        lambda: session if (session := session_of(manager))["status"] == "finished" else None,
        "the session is finished",
    )


def test_run_is_lost_when_its_lease_expires_and_can_be_revived(
    start_manager: StartManager,
) -> None:
    own = start_manager(moves_time=True)
    session = create(own)
    created, expires = (
        datetime.fromisoformat(text)
        for text in (session["created_at"], session["lease"]["expires_at"])
    )
    assert (expires - created).total_seconds() == DEFAULT_LEASE_SECONDS
    own.time.let_pass(A_TERM)
    session = lost(own)
    assert (session["reason"], session["exit_code"], session["lease"]) == ("lost", None, None)
    assert datetime.fromisoformat(session["finished_at"]) >= expires
    with Api(own) as api:
        assert api.put(LEASE, {"holder": "other"}).refusal == (409, "run_finished")
        again = api.put(LEASE, ME).json["session"]
        assert (again["status"], again["reason"], again["run"]) == ("running", None, 1)
        own.time.let_pass(A_TERM)
        lost(own)
        end = {"event_type": "session_stop", "exit_code": 0, "run": 1}
        assert api.post(f"{PATH}/events", end).status == 201
        session = api.get(PATH).json["session"]
        assert (session["reason"], session["exit_code"]) == ("completed", 0)


def test_renewed_run_and_run_without_a_lease_are_not_lost(
    start_manager: StartManager,
) -> None:
    own = start_manager(moves_time=True)
    create(own)
    with Api(own) as api:
        api.post("/sessions", {"session_id": "free", "session_name": "free"})
        for _ in range(4):
            own.time.let_pass(DEFAULT_LEASE_SECONDS / 2)
            answer = api.put(LEASE, ME)
            assert (answer.status, answer.json["session"]["status"]) == (200, "running")
        own.time.let_pass(A_TERM)
        assert lost(own)["reason"] == "lost"
        assert api.get("/sessions/free/status").json == {"status": "running"}


def test_every_lease_gets_a_full_term_after_a_long_outage(
    start_manager: StartManager,
) -> None:
    own = start_manager(moves_time=True)
    expired = create(own)["lease"]["expires_at"]
    own.kill()
    own.time.set_clock_ahead(A_TERM)
    own.restart()

    def next_expiry() -> str | None:
        session = session_of(own)
        assert session["status"] == "running"
        expiry: str = session["lease"]["expires_at"]
        return expiry if expiry > expired else None

    given = wait_for(next_expiry, "the lease has another term")
    with Api(own) as api:
        renewed = api.put(LEASE, ME).json["session"]
        assert (renewed["status"], renewed["run"]) == ("running", 1)
    assert renewed["lease"]["expires_at"] > given
    own.time.let_pass(A_TERM)
    assert lost(own)["finished_at"] >= renewed["lease"]["expires_at"]


def test_next_request_answers_the_poll_at_once(manager: RunningManager) -> None:
    """There are ten rounds, so that the poll waits already in most of them."""
    create(manager)
    with Api(manager) as api, Api(manager) as holder, ThreadPoolExecutor(1) as thread:
        for number in range(10):
            polling = thread.submit(holder.get, f"{REQUESTS}?state=pending&wait={POLL_SECONDS}")
            asked = api.post(REQUESTS, {"request_id": f"r-{number}", "kind": "message"})
            assert polling.result(WATCHDOG_SECONDS).json == {"requests": [asked.json["request"]]}
            api.put(f"{REQUESTS}/r-{number}", {"state": "done"})
        deleting = thread.submit(holder.get, f"{REQUESTS}?state=pending&wait={POLL_SECONDS}")
        assert api.delete(f"{PATH}?force=true").status == 200
        assert deleting.result(WATCHDOG_SECONDS).refusal == (404, "session_not_found")


def test_poll_returns_pending_requests_at_once_or_times_out(
    manager: RunningManager, api: Api, session_id: str
) -> None:
    path = f"/sessions/{session_id}/runs/1/requests"
    assert api.get(f"{path}?wait=0.05").json == {"requests": []}
    assert api.get(f"{path}?wait=0").json == {"requests": []}
    asked = api.post(path, {"request_id": "r", "kind": "stop"}).json["request"]
    assert api.get(f"{path}?wait=25").json == {"requests": [asked]}


def test_stopping_manager_answers_all_polls(start_manager: StartManager) -> None:
    own = start_manager()
    create(own)
    head = f"Host: 127.0.0.1:{own.port}\r\nAuthorization: Bearer {own.token}\r\n\r\n"
    ordinary = f"GET {PATH} HTTP/1.1\r\n{head}".encode()
    poll = f"GET {REQUESTS}?state=pending&wait=25 HTTP/1.1\r\n{head}".encode()
    with ExitStack() as stack:
        waiting = [stack.enter_context(raw_connection(own.port)) for _ in range(POLLS)]
        for connection in waiting:
            assert connection.ask(ordinary).status == 200
        for connection in waiting:
            connection.socket.sendall(poll)
        # The polls were sent before this request, so the manager has read them once it answers it.
        assert session_of(own)["status"] == "running"
        own.process.send_signal(signal.SIGTERM)
        with ThreadPoolExecutor(POLLS) as threads:
            answers: list[Answer] = list(threads.map(lambda c: c.ask(b""), waiting))
        assert own.process.wait(WATCHDOG_SECONDS) == 0
    assert {(answer.status, answer.body) for answer in answers} == {(200, b'{"requests":[]}')}
    assert '"trace": ' not in own.log()


def test_wait_for_a_request_ends_when_it_is_settled_or_expires(
    start_manager: StartManager,
) -> None:
    own = start_manager()
    create(own)

    head = f"Host: 127.0.0.1:{own.port}\r\nAuthorization: Bearer {own.token}\r\n\r\n"
    with Api(own) as api, raw_connection(own.port) as first, raw_connection(own.port) as second:
        for request_id in ("a", "b"):
            api.post(REQUESTS, {"request_id": request_id, "kind": "message"})
        assert api.get(f"{REQUESTS}/a?wait=0.01").json["request"]["state"] == "pending"
        assert api.get(f"{REQUESTS}/none").refusal == (404, "request_not_found")
        for waiting, request_id in ((first, "a"), (second, "b")):
            path = f"{REQUESTS}/{request_id}?wait={POLL_SECONDS}"
            waiting.socket.sendall(f"GET {path} HTTP/1.1\r\n{head}".encode())
        # Both were sent before this request, so the manager has read them once it answers it.
        assert session_of(own)["status"] == "running"
        api.put(f"{REQUESTS}/a", {"state": "acknowledged"})
        api.put(f"{REQUESTS}/a", {"state": "done"})
        assert first.ask(b"").json["request"]["state"] == "done"
        assert not select.select([second.socket], [], [], 0)[0]
        api.post(f"{PATH}/events", {"event_type": "session_stop", "run": 1})
        assert second.ask(b"").json["request"]["state"] == "expired"
        assert api.get(f"{REQUESTS}/a?wait={POLL_SECONDS}").json["request"]["state"] == "done"
