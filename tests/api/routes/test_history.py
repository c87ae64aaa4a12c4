"""The route of imported history: parts of a session, masked and checked like appended events."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from agent_shared.manager_settings import DEFAULT_LEASE_SECONDS
from tests.support.api import Api
from tests.support.rows import each_row

TOKEN = "ghp_" + "aB3dE5" * 6
MASK = "[masked: github-token]"
EVENT = {
    "event_type": "message",
    "event_id": "e",
    "timestamp": "2026-03-01T10:00:00Z",
    "role": "user",
    "content": [{"type": "text", "text": "hello"}],
}
REQUEST = {"key": "claude:m", "place": 1, "counts": {"input_tokens": 5}}


@pytest.fixture
def path() -> str:
    """Return the path of a session that does not exist."""
    return f"/sessions/{uuid4()}"


def part(**fields: Any) -> dict[str, Any]:
    return {"begins": True, "executor": "claude", "events": [EVENT], **fields}


def test_imported_session_is_served_like_any_other(api: Api, path: str) -> None:
    sent = part(
        host="elsewhere",
        project_dir="/p",
        title="Say hello",
        source={"format": "claude", "path": "/home/u/x.jsonl"},
        forked_from={"session_id": "other"},
        requests=[{**REQUEST, "key": f"claude:{path}"}],
        reason="completed",
    )
    assert api.post(f"{path}/history", sent).json == {
        "ok": True,
        "created": True,
        "new_events": 1,
        "new_requests": 1,
        "last_seq": 1,
        "lease_seconds": None,
    }
    session = api.get(path).json["session"]
    expected = {
        "session_name": "Say hello",
        "title": "Say hello",
        "state": "finished",
        "reason": "completed",
        "created_at": "2026-03-01T10:00:00.000000Z",
        "finished_at": "2026-03-01T10:00:00.000000Z",
        "host": "elsewhere",
        "imported": True,
        "lease": None,
        "source": {"format": "claude", "path": "/home/u/x.jsonl", "gone": False},
        "forked_from": {"session_id": "other", "event_id": None},
    }
    assert {name: session[name] for name in expected} == expected
    assert session["usage"]["input_tokens"] == session["usage"]["unpriced_tokens"] == 5
    (event,) = api.get(f"{path}/events").json["events"]
    assert {name: event[name] for name in EVENT} == EVENT
    assert event["occurred_at"] == "2026-03-01T10:00:00.000000Z" < event["recorded_at"]
    (run,) = api.get(f"{path}/runs").json["runs"]
    assert (run["imported"], run["spec"]) == (True, None)
    assert api.post(f"{path}/history", sent).json["new_events"] == 0


def test_turn_under_way_is_open_for_its_process(api: Api, path: str) -> None:
    lease = {"holder": "claude, pid 7"}
    opened = api.post(f"{path}/history", part(reason="unknown", lease=lease)).json
    assert opened["lease_seconds"] == DEFAULT_LEASE_SECONDS
    session = api.get(path).json["session"]
    assert (session["state"], session["finished_at"], session["imported"]) == (
        "running",
        None,
        True,
    )
    assert session["lease"]["holder"] == lease["holder"]
    stop = {"request_id": "q", "kind": "stop"}
    assert api.post(f"{path}/runs/1/requests", stop).refusal == (409, "run_not_driven")
    assert api.post(f"{path}/runs", {}).refusal == (409, "session_running")
    assert api.delete(path).refusal == (409, "session_running")
    for reason in ("completed", None):
        refused = api.post(f"{path}/history", part(reason=reason, lease=lease))
        assert refused.refusal == (422, "invalid_request")
    ended = api.post(f"{path}/history", part(begins=False, reason="completed")).json
    assert (ended["new_events"], ended["lease_seconds"]) == (0, None)
    session = api.get(path).json["session"]
    assert (session["state"], session["lease"]) == ("finished", None)


def test_secrets_of_imported_history_are_masked(api: Api, path: str) -> None:
    event = {"event_type": "post_tool", "event_id": "p", "tool_output": f"({TOKEN})"}
    api.post(f"{path}/history", part(title=f"use {TOKEN}", events=[event]))
    session = api.get(path).json["session"]
    assert session["session_name"] == f"use {MASK}"
    assert session["masked_secrets"] == 1
    (stored,) = api.get(f"{path}/events").json["events"]
    assert stored["tool_output"] == f"({MASK})"


def test_end_of_a_run_in_history_is_only_an_event(api: Api, session_id: str, path: str) -> None:
    running = f"/sessions/{session_id}/history"
    assert api.post(running, part()).refusal == (409, "session_running")
    stop = {"event_type": "session_stop", "event_id": "x", "exit_code": 7}
    usage = {"event_type": "usage", "event_id": "u", "usage": {"input_tokens": 9}}
    api.post(f"{path}/history", part(events=[stop, usage]))
    session = api.get(path).json["session"]
    assert (session["state"], session["exit_code"]) == ("lost", None)
    assert session["usage"]["input_tokens"] == 0


def test_continuation_of_an_unknown_session_is_refused(api: Api, path: str) -> None:
    refused = api.post(f"{path}/history", part(begins=False))
    assert refused.refusal == (404, "session_not_found")
    assert api.get(f"{path}/status").json == {"status": "not_existent"}


@each_row(
    "fields",
    [
        {"events": [{**EVENT, "event_id": None}]},
        {"events": [{**EVENT, "run": 1}]},
        {"events": [{**EVENT, "content": 7}]},
        {"events": [EVENT] * 1001},
        {"events": "x"},
        {"requests": [{**REQUEST, "key": "no maker"}]},
        {"requests": [{**REQUEST, "place": -1}]},
        {"requests": [{**REQUEST, "counts": {"input_tokens": -1}}]},
        {"requests": [{**REQUEST, "counts": {"input_tokens": 10**13}}]},
        {"requests": [{**REQUEST, "counts": {"tokens": 1}}]},
        {"requests": [{**REQUEST, "occurred_at": "yesterday"}]},
        {"requests": [REQUEST] * 1001},
        {"title": ""},
        {"title": "a\u200bb"},
        {"title": "x" * 201},
        {"source": {"format": "claude"}},
        {"forked_from": {"session_id": "/"}},
        {"reason": "timeout"},
        {"executor": None},
        {"unknown": 1},
    ],
)
def test_invalid_history_stores_nothing(api: Api, path: str, fields: dict[str, Any]) -> None:
    assert api.post(f"{path}/history", part(**fields)).status == 422
    assert api.get(f"{path}/status").json == {"status": "not_existent"}
