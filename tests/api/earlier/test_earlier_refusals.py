"""Requests of the earlier system that the manager refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.api.earlier.earlier_events import event, events_of, send
from tests.support.api import Api
from tests.support.rows import each_row


@each_row("event_type", ["message", "pre_tool", "post_tool", "session_stop", "x"])
@each_row("session_id", ["unknown", "", "../x", "a b", "é", "x" * 129])
def test_event_of_an_unknown_session_is_refused(
    earlier: Api, event_type: str, session_id: str
) -> None:
    answer = earlier.post("/events", event(session_id, event_type))
    assert answer.refusal == (404, "session_not_found")


@each_row(
    "wrong",
    [
        {"session_id": ""},
        {"session_id": "../x"},
        {"session_id": "x" * 129},
        {"session_name": ""},
        {"session_name": "x" * 201},
    ],
    ids=str,
)
def test_start_with_an_invalid_id_or_name_is_refused(earlier: Api, wrong: dict[str, str]) -> None:
    start = {**event("s", "session_start"), **wrong}
    assert earlier.post("/events", start).refusal == (422, "invalid_event")


@each_row("name", ["event_type", "session_id", "session_name", "timestamp"])
@each_row("value", [None, 1, True, [], {}, ["x"]])
def test_event_without_a_required_field_is_refused(
    earlier: Api, new_id: Callable[[], str], name: str, value: Any
) -> None:
    session_id = new_id()
    send(earlier, session_id, "session_start")
    right = event(session_id, "message")
    without = {key: given for key, given in right.items() if key != name}
    for wrong in (without, {**right, name: value}):
        assert earlier.post("/events", wrong).refusal == (422, "invalid_event")
    assert len(events_of(earlier, session_id)) == 1


@each_row(
    "wrong",
    [
        {"tool_input": "text"},
        {"tool_name": 1},
        {"exit_code": "0"},
        {"exit_code": True},
        {"exit_code": 2**31},
        {"content": "text"},
        {"content": ["text"]},
        {"content": [{"type": "text"}]},
        {"error": {}},
        {"event_type": ""},
        {"event_type": "x" * 101},
    ],
    ids=str,
)
def test_start_of_a_wrong_shape_creates_nothing(
    earlier: Api, new_id: Callable[[], str], wrong: dict[str, Any]
) -> None:
    session_id = new_id()
    start = {**event(session_id, "session_start"), **wrong}
    assert earlier.post("/events", start).refusal == (422, "invalid_event")
    assert earlier.get(f"/sessions/{session_id}").status == 404


@each_row(
    ("body", "refusal"),
    [
        (b"", (400, "invalid_json")),
        (b"{", (400, "invalid_json")),
        (b'{"event_type": NaN}', (400, "invalid_json")),
        (b"[" * 2000, (400, "invalid_json")),
        (b'{"a":' * 70 + b"1" + b"}" * 70, (400, "too_deep")),
        (b'{"event_type":"a\\u0000b"}', (400, "nul_character")),
        (b'{"event_type":123456789012345678901}', (400, "number_out_of_range")),
        (b"[]", (422, "invalid_event")),
        (b'"text"', (422, "invalid_event")),
        (b"null", (422, "invalid_event")),
        (b'{"event_type":"' + b"x" * (4 * 1024 * 1024) + b'"}', (413, "body_too_large")),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_body_that_is_not_an_event_is_refused(
    earlier: Api, body: bytes, refusal: tuple[int, str]
) -> None:
    assert earlier.call("POST", "/events", body).refusal == refusal


def test_body_of_another_type_is_refused(earlier: Api, new_id: Callable[[], str]) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = earlier.call("POST", "/events", b"{}", {"Content-Type": kind})
        assert answer.refusal == (415, "json_only")


@each_row(
    "wrong", [{"session_name": 1}, {"agent_name": ""}, {"last_resumed_at": "soon"}, {"x": 1}, []]
)
def test_metadata_of_a_wrong_shape_is_refused(
    earlier: Api, new_id: Callable[[], str], wrong: Any
) -> None:
    session_id = new_id()
    send(earlier, session_id, "session_start")
    answer = earlier.patch(f"/sessions/{session_id}/metadata", wrong)
    assert answer.refusal == (422, "invalid_request")
