"""Every method of the contract client against a real manager."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psutil
import pytest

from agent_orchestrator.session_client import (
    SessionClient,
    SessionClientError,
    SessionNotFoundError,
    get_client,
)
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

NewId = Callable[[], str]

STRANGE_NAMES = [
    "naïve – 日本語 🦾",
    "../../etc/passwd",
    "a&session_name=b&archived=true",
    "a#fragment?query=1",
    "100 % + more",
    "'; DROP TABLE sessions; --",
    '"quoted" \\ and \\" back',
    "<script>alert(1)</script>",
    "x" * 200,
    "🦾" * 200,
]


def answer_of(text: str) -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    return {"event_type": "message", "role": "assistant", "content": content}


def refusal(call: Callable[[], object]) -> tuple[int | None, str | None]:
    with pytest.raises(SessionClientError) as caught:
        call()
    return caught.value.status_code, caught.value.code


def test_signatures_match_the_contract() -> None:
    signatures = {
        name: list(inspect.signature(getattr(SessionClient, name)).parameters.values())
        for name in ("__init__", "create_session", "update_session", "list_sessions", "add_event")
    }
    assert {name: [(p.name, p.default) for p in ps[1:]] for name, ps in signatures.items()} == {
        "__init__": [("base_url", inspect.Parameter.empty), ("timeout", 5.0)],
        "create_session": [
            ("session_id", inspect.Parameter.empty),
            ("session_name", inspect.Parameter.empty),
            ("project_dir", None),
            ("agent_name", None),
        ],
        "update_session": [
            ("session_id", inspect.Parameter.empty),
            ("session_name", None),
            ("last_resumed_at", None),
        ],
        "list_sessions": [],
        "add_event": [
            ("session_id", inspect.Parameter.empty),
            ("event", inspect.Parameter.empty),
        ],
    }
    assert issubclass(SessionNotFoundError, SessionClientError)


def test_get_client_returns_a_client_of_the_url() -> None:
    with get_client("http://127.0.0.1:8765/") as client:
        assert (client.base_url, client.timeout) == ("http://127.0.0.1:8765", 5.0)


def test_created_session_is_running_and_equals_get_session(
    client: SessionClient, new_id: NewId
) -> None:
    session_id = new_id()
    created = client.create_session(session_id, "name", "/some/project", "reviewer")
    known = {
        name: created[name]
        for name in ("session_id", "session_name", "project_dir", "agent_name", "status")
    }
    assert known == {
        "session_id": session_id,
        "session_name": "name",
        "project_dir": "/some/project",
        "agent_name": "reviewer",
        "status": "running",
    }
    assert created["last_resumed_at"] is None
    assert client.get_session(session_id) == created
    assert client.get_status(session_id) == "running"


def test_result_is_available_after_the_session_stopped(
    client: SessionClient, new_id: NewId
) -> None:
    session_id = new_id()
    client.create_session(session_id, "name")
    client.add_event(session_id, answer_of("forty-two"))
    assert refusal(lambda: client.get_result(session_id)) == (409, "session_not_finished")
    client.add_event(session_id, {"event_type": "session_stop", "exit_code": 0})
    assert client.get_status(session_id) == "finished"
    assert client.get_result(session_id) == "forty-two"


def test_session_without_an_answer_has_no_result(client: SessionClient, new_id: NewId) -> None:
    session_id = new_id()
    client.create_session(session_id, "name")
    client.add_event(session_id, {"event_type": "session_stop"})
    assert refusal(lambda: client.get_result(session_id)) == (409, "no_result")


def test_resumed_session_is_running_and_has_no_result(client: SessionClient, new_id: NewId) -> None:
    session_id = new_id()
    client.create_session(session_id, "name")
    client.add_event(session_id, answer_of("old"))
    client.add_event(session_id, {"event_type": "session_stop", "exit_code": 0})
    resumed = client.update_session(session_id, last_resumed_at="2020-01-01T00:00:00Z")
    assert (resumed["status"], resumed["last_resumed_at"]) == (
        "running",
        "2020-01-01T00:00:00.000000Z",
    )
    assert refusal(lambda: client.get_result(session_id)) == (409, "session_not_finished")


def test_update_changes_only_the_given_fields(client: SessionClient, new_id: NewId) -> None:
    session_id = new_id()
    created = client.create_session(session_id, "before", "/p", "a")
    assert client.update_session(session_id, session_name="after") == {
        **created,
        "session_name": "after",
    }
    assert client.update_session(session_id)["session_name"] == "after"


def test_delete_returns_true_only_if_the_session_existed(
    client: SessionClient, new_id: NewId
) -> None:
    session_id = new_id()
    client.create_session(session_id, "name")
    assert client.delete_session(session_id) is True
    assert client.delete_session(session_id) is False
    assert client.get_status(session_id) == "not_existent"


def test_every_method_reports_an_unknown_session(client: SessionClient, new_id: NewId) -> None:
    session_id = new_id()
    for call in (
        lambda: client.get_session(session_id),
        lambda: client.get_result(session_id),
        lambda: client.add_event(session_id, {"event_type": "message"}),
        lambda: client.update_session(session_id, session_name="x"),
    ):
        with pytest.raises(SessionNotFoundError) as caught:
            call()
        assert (caught.value.status_code, caught.value.code) == (404, "session_not_found")
    assert client.get_status(session_id) == "not_existent"
    assert client.delete_session(session_id) is False


def test_second_session_with_the_same_id_is_refused(client: SessionClient, new_id: NewId) -> None:
    session_id = new_id()
    client.create_session(session_id, "first")
    assert refusal(lambda: client.create_session(session_id, "second")) == (409, "session_exists")
    assert client.get_session(session_id)["session_name"] == "first"


def test_error_names_method_url_and_detail(client: SessionClient, new_id: NewId) -> None:
    session_id = new_id()
    with pytest.raises(SessionNotFoundError) as caught:
        client.get_result(session_id)
    assert str(caught.value) == (
        f"GET {client.base_url}/sessions/{session_id}/result: 404 no session '{session_id}'"
    )


@each_row("name", STRANGE_NAMES)
def test_name_is_unchanged_and_finds_only_its_session(
    client: SessionClient, new_id: NewId, name: str
) -> None:
    session_id = new_id()
    created = client.create_session(session_id, name, f"/projects/{session_id}", name)
    assert (created["session_name"], created["agent_name"]) == (name, name)
    found = client.get_session_by_name(name, f"/projects/{session_id}")
    assert found is not None
    assert found["session_id"] == session_id
    assert client.get_session_by_name(name + "?", f"/projects/{session_id}") is None


@each_row("name", ["", "x" * 201, "with\0nul", "two\nlines", " x", "x\u200b", 7, None])
def test_invalid_name_is_refused_by_the_manager(
    client: SessionClient, new_id: NewId, name: Any
) -> None:
    session_id = new_id()
    with pytest.raises(SessionClientError) as caught:
        client.create_session(session_id, name)
    assert caught.value.status_code in (400, 422)
    assert client.get_status(session_id) == "not_existent"


def test_get_by_name_finds_the_newest_in_one_or_any_project(
    client: SessionClient, new_id: NewId
) -> None:
    name, first, second, elsewhere = (new_id() for _ in range(4))
    client.create_session(first, name, "/here")
    client.create_session(second, name, "/here")
    client.create_session(elsewhere, name, "/there")

    def found(project_dir: str | None = None) -> str | None:
        session = client.get_session_by_name(name, project_dir)
        return None if session is None else str(session["session_id"])

    assert (found("/here"), found("/there"), found(), found("/nowhere")) == (
        second,
        elsewhere,
        elsewhere,
        None,
    )


def test_archived_session_is_not_found_by_name(client: SessionClient, new_id: NewId) -> None:
    name, session_id = new_id(), new_id()
    client.create_session(session_id, name)
    client._request("PATCH", f"/sessions/{session_id}", {"archived": True})
    assert client.get_session_by_name(name) is None
    assert client.get_session(session_id)["archived_at"] is not None


def test_content_is_returned_unchanged(client: SessionClient, new_id: NewId) -> None:
    session_id = new_id()
    text = "日本語 🦾 \u2028 \x1b[31m \ufffe \x7f\r\n\t é ÿ"
    client.create_session(session_id, "name")
    client.add_event(session_id, {**answer_of(text), "own": {"ключ": [1, -0.5, None, True]}})
    client.add_event(session_id, {"event_type": "session_stop"})
    assert client.get_result(session_id) == text
    (event, _) = client._request("GET", f"/sessions/{session_id}/events")["events"]
    assert event["own"] == {"ключ": [1, -0.5, None, True]}


def test_event_of_one_megabyte_is_returned_unchanged(client: SessionClient, new_id: NewId) -> None:
    session_id = new_id()
    text = "🦾" * 250_000 + "end"
    client.create_session(session_id, "name")
    client.add_event(session_id, answer_of(text))
    client.add_event(session_id, {"event_type": "session_stop"})
    assert client.get_result(session_id) == text


def test_too_large_event_is_refused_and_the_client_still_works(
    client: SessionClient, new_id: NewId
) -> None:
    session_id = new_id()
    client.create_session(session_id, "name")
    too_large = answer_of("x" * 5_000_000)
    assert refusal(lambda: client.add_event(session_id, too_large)) == (413, "body_too_large")
    assert client.get_session(session_id)["last_seq"] == 0


def test_one_connection_serves_all_calls(
    manager: RunningManager, client: SessionClient, new_id: NewId
) -> None:
    session_id = new_id()
    client.create_session(session_id, "name")
    own = psutil.Process(os.getpid())
    ports = set()
    for _ in range(50):
        client.add_event(session_id, {"event_type": "message"})
        ports |= {
            connection.laddr.port
            for connection in own.net_connections("tcp4")
            if connection.raddr and connection.raddr.port == manager.port
        }
    assert len(ports) == 1


def test_eight_threads_share_one_client(client: SessionClient, new_id: NewId) -> None:
    session_id = new_id()
    client.create_session(session_id, "name")
    together = Barrier(8)

    def add_ten(thread: int) -> None:
        together.wait(WATCHDOG_SECONDS)
        for number in range(10):
            client.add_event(
                session_id, {"event_type": "message", "event_id": f"{thread}-{number}"}
            )

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add_ten, range(8)))
    events = client._request("GET", f"/sessions/{session_id}/events")["events"]
    assert [event["seq"] for event in events] == list(range(1, 81))
    assert len({event["event_id"] for event in events}) == 80


def test_closed_client_raises_client_error(manager: RunningManager) -> None:
    with SessionClient(manager.url) as client:
        pass
    with pytest.raises(SessionClientError):
        client.get_status("any")


def test_client_works_after_a_restart_of_the_manager(
    start_manager: Callable[[], RunningManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = start_manager()
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(own.state_dir))
    with SessionClient(own.url) as client:
        client.create_session("kept", "name")
        own.restart()
        assert client.get_status("kept") == "running"
