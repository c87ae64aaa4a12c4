"""Malformed bodies: the manager refuses each with its error document and stores nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from agent_session_manager.api.http.body import MAX_PARTS
from tests.api.routes.malformed_values import (
    CHANGES_OF_WRONG_TYPE,
    NOT_JSON,
    NOT_KEPT,
    OF_WRONG_TYPE,
    SECRET,
    SESSION_FIELDS_OF_WRONG_TYPE,
    USAGE_OF_WRONG_TYPE,
    event_with,
    nested,
)
from tests.support.api import Answer, Api, RawConnection, raw_connection
from tests.support.manager import RunningManager
from tests.support.rows import each_row


def parameters(table: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param({field: value}, id=f"{field}-{json.dumps(value)[:40]}")
        for field, values in table.items()
        for value in values
    ]


def assert_refused(api: Api, session_id: str, answer: Answer, status: int, code: str) -> None:
    """Check the refusal: no input in it, nothing stored, and the connection still works."""
    assert answer.refusal == (status, code)
    assert SECRET not in answer.body.decode()
    opened = api.socket
    session = api.get(f"/sessions/{session_id}").json["session"]
    assert (session["last_seq"], session["run"], session["session_name"]) == (0, 1, session_id)
    assert api.socket is opened is not None


@each_row("body", NOT_JSON.values(), ids=NOT_JSON)
def test_body_that_is_not_json_is_refused(api: Api, session_id: str, body: bytes) -> None:
    answer = api.call("POST", f"/sessions/{session_id}/events", body)
    assert_refused(api, session_id, answer, 400, "invalid_json")
    as_list = api.call("POST", f"/sessions/{session_id}/events", b"[" + body + b",]")
    assert_refused(api, session_id, as_list, 400, "invalid_json")
    for method, target in (
        ("POST", "/sessions"),
        ("PATCH", f"/sessions/{session_id}"),
        ("POST", f"/sessions/{session_id}/runs"),
    ):
        assert_refused(api, session_id, api.call(method, target, body), 400, "invalid_json")


@each_row("body", NOT_KEPT.values(), ids=NOT_KEPT)
def test_json_that_cannot_be_stored_unchanged_is_refused(
    api: Api, session_id: str, body: bytes
) -> None:
    for sent in (body, b"[" + body + b"]"):
        answer = api.call("POST", f"/sessions/{session_id}/events", sent)
        assert answer.json["code"] in ("nul_character", "too_deep", "number_out_of_range")
        assert_refused(api, session_id, answer, 400, answer.json["code"])


def test_empty_body_is_refused(api: Api, session_id: str) -> None:
    path = f"/sessions/{session_id}"
    for answer in (
        api.call("POST", f"{path}/events", b""),
        api.call("POST", f"{path}/runs", b""),
        api.call("POST", "/sessions", b""),
        api.call("PATCH", path, b""),
    ):
        assert answer.refusal[0] in (400, 422)
        assert_refused(api, session_id, answer, *answer.refusal)


def test_many_large_numbers_are_checked_in_one_pass(api: Api, session_id: str) -> None:
    """A scan of the whole body for each number would take hours."""
    many = event_with("[" + "1e300," * (MAX_PARTS - 10) + "1]")
    assert api.call("POST", f"/sessions/{session_id}/events", many).status == 201


def test_spec_is_returned_unchanged(api: Api, session_id: str) -> None:
    spec = {"numbers": [2**64 - 1, -(2**63), 1e308, 0.1], "text": "é🦾\u2028", "deep": [[[{}]]]}
    api.post(f"/sessions/{session_id}/runs", {"takeover": True, "spec": spec})
    assert api.get(f"/sessions/{session_id}/runs").json["runs"][-1]["spec"] == spec


def test_deepest_and_largest_valid_values_are_returned(api: Api, session_id: str) -> None:
    path = f"/sessions/{session_id}/events"
    value = event_with(f"[{2**64 - 1}, {-(2**63)}, 1e308, 5e-324, -0.0, 1E2]")
    for body in (nested(62), nested(62, '{"a":', "}"), value):
        assert api.call("POST", path, body).status == 201
    deep, objects, numbers = api.get(path).json["events"]
    assert (deep["value"], objects["value"]) == (
        json.loads(nested(62))["value"],
        json.loads(nested(62, '{"a":', "}"))["value"],
    )
    assert numbers["value"] == [2**64 - 1, -(2**63), 1e308, 5e-324, -0.0, 100.0]


@each_row(("field", "value"), OF_WRONG_TYPE)
def test_field_of_another_type_refuses_its_event(
    api: Api, session_id: str, field: str, value: Any
) -> None:
    for event_type in ("message", "session_stop", "post_tool"):
        event = {"event_type": event_type, "other": SECRET, field: value}
        path = f"/sessions/{session_id}/events"
        assert_refused(api, session_id, api.post(path, event), 422, "invalid_event")
        listed = api.post(path, [{"event_type": "x"}, event])
        assert_refused(api, session_id, listed, 422, "invalid_event")
        assert listed.json["detail"].startswith("event 1: ")


@each_row("usage", USAGE_OF_WRONG_TYPE, ids=json.dumps)
def test_usage_that_cannot_be_summed_is_refused(api: Api, session_id: str, usage: Any) -> None:
    answer = api.post(f"/sessions/{session_id}/events", {"event_type": "usage", "usage": usage})
    assert_refused(api, session_id, answer, 422, "invalid_event")


@each_row("value", [None, True, 0, 1.5, "x", [1], [[]], [None], [{}], {}])
def test_value_that_is_not_an_event_is_refused(api: Api, session_id: str, value: Any) -> None:
    answer = api.post(f"/sessions/{session_id}/events", value)
    assert_refused(api, session_id, answer, 422, "invalid_event")


@each_row("changed", parameters(SESSION_FIELDS_OF_WRONG_TYPE))
def test_session_with_a_field_of_another_type_is_not_created(
    api: Api, session_id: str, new_id: Callable[[], str], changed: dict[str, Any]
) -> None:
    fresh = new_id()
    body = {"session_id": fresh, "session_name": SECRET, "agent_name": SECRET, **changed}
    assert_refused(api, session_id, api.post("/sessions", body), 422, "invalid_request")
    assert api.get(f"/sessions/{fresh}/status").json == {"status": "not_existent"}


@each_row("missing", ["session_id", "session_name"])
def test_session_without_id_or_name_is_not_created(
    api: Api, session_id: str, new_id: Callable[[], str], missing: str
) -> None:
    body = {"session_id": new_id(), "session_name": "x"}
    del body[missing]
    answer = api.post("/sessions", body)
    assert_refused(api, session_id, answer, 422, "invalid_request")
    assert missing in answer.json["detail"]


@each_row("change", parameters(CHANGES_OF_WRONG_TYPE))
def test_change_of_another_type_changes_nothing(
    api: Api, session_id: str, change: dict[str, Any]
) -> None:
    answer = api.patch(f"/sessions/{session_id}", {"agent_name": SECRET, **change})
    assert_refused(api, session_id, answer, 422, "invalid_request")
    assert api.get(f"/sessions/{session_id}").json["session"]["agent_name"] is None


@each_row("value", [None, True, 0, "x", [], [{}]])
def test_body_that_is_not_an_object_is_refused(api: Api, session_id: str, value: Any) -> None:
    for answer in (
        api.post("/sessions", value),
        api.patch(f"/sessions/{session_id}", value),
        api.post(f"/sessions/{session_id}/runs", value),
    ):
        assert_refused(api, session_id, answer, 422, "invalid_request")


def test_nul_in_a_name_or_spec_is_refused(api: Api, session_id: str) -> None:
    for answer in (
        api.post("/sessions", {"session_id": "nul", "session_name": "a\0b"}),
        api.post("/sessions", {"session_id": "nul", "session_name": "a", "spec": {"a\0": 1}}),
        api.patch(f"/sessions/{session_id}", {"project_dir": "/a\0b"}),
    ):
        assert_refused(api, session_id, answer, 400, "nul_character")


LARGE = b'{"event_type":"x","text":"' + b"x" * 5_000_000 + b'"}'


def large_request(manager: RunningManager, session_id: str, *, chunked: bool) -> bytes:
    head = (
        f"POST /sessions/{session_id}/events HTTP/1.1\r\nHost: 127.0.0.1:{manager.port}\r\n"
        f"Authorization: Bearer {manager.token}\r\nContent-Type: application/json\r\n"
    ).encode()
    if not chunked:
        return head + b"Content-Length: %d\r\n\r\n" % len(LARGE) + LARGE
    size = 65536
    chunks = [LARGE[start : start + size] for start in range(0, len(LARGE), size)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


@each_row("chunked", [False, True])
def test_body_of_five_megabytes_is_refused_without_a_disconnect(
    manager: RunningManager, api: Api, session_id: str, chunked: bool
) -> None:
    with raw_connection(manager.port) as connection:
        answer = connection.ask(large_request(manager, session_id, chunked=chunked))
        assert_refused(api, session_id, answer, 413, "body_too_large")
        assert still_serves(connection, manager)


def still_serves(connection: RawConnection, manager: RunningManager) -> bool:
    health = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{manager.port}\r\n\r\n"
    return connection.ask(health.encode()).status == 200


def test_endless_body_is_cut_off(manager: RunningManager, api: Api) -> None:
    head = large_request(manager, "none", chunked=True).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    with raw_connection(manager.port) as connection:
        connection.socket.sendall(head)
        with pytest.raises(OSError):  # reset or broken pipe, depending on the system
            for _ in range(200):
                connection.socket.sendall(chunk)
    assert api.get("/health").status == 200


def test_truncated_body_stores_nothing(manager: RunningManager, api: Api, session_id: str) -> None:
    body = b'{"event_type":"x"}'
    head = (
        f"POST /sessions/{session_id}/events HTTP/1.1\r\nHost: 127.0.0.1:{manager.port}\r\n"
        f"Authorization: Bearer {manager.token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body) + 1}\r\n\r\n"
    )
    with raw_connection(manager.port) as connection:
        connection.socket.sendall(head.encode() + body)
    assert api.get(f"/sessions/{session_id}").json["session"]["last_seq"] == 0
    assert '"trace": ' not in manager.log()


def test_malformed_requests_cause_no_internal_error(manager: RunningManager, api: Api) -> None:
    """No request of this module may leave a traceback in the log, in any order of the tests."""
    assert api.get("/health").status == 200
    assert '"trace": ' not in manager.log()
    assert "defect" not in manager.log()


def test_trailers_are_not_read_as_headers(
    manager: RunningManager, api: Api, session_id: str
) -> None:
    """The guard has checked the headers before the trailers arrive."""
    head = (
        f"POST /sessions/{session_id}/events HTTP/1.1\r\nHost: 127.0.0.1:{manager.port}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    body = '12\r\n{"event_type":"x"}\r\n0\r\n'
    trailer = f"Authorization: Bearer {manager.token}\r\n\r\n"
    with raw_connection(manager.port) as connection:
        answer = connection.ask((head + body + trailer).encode())
        assert_refused(api, session_id, answer, 401, "unauthorized")


@each_row("field", ["x", "archived"])
def test_error_for_a_body_with_very_many_fields_is_short(
    manager: RunningManager, api: Api, session_id: str, field: str
) -> None:
    many = {f"{field}{number}": SECRET for number in range(100_000)}
    answer = api.patch(f"/sessions/{session_id}", many)
    assert_refused(api, session_id, answer, 422, "invalid_request")
    assert len(answer.body) < 1000


def test_error_lists_a_limited_number_of_problems(api: Api, session_id: str) -> None:
    answer = api.patch(f"/sessions/{session_id}", {f"x{number}": SECRET for number in range(90)})
    assert_refused(api, session_id, answer, 422, "invalid_request")
    assert answer.json["detail"].count("; ") == 9


def test_error_for_a_query_with_very_many_parameters_is_short(api: Api) -> None:
    answer = api.get("/sessions?" + "&".join(f"p{number}=1" for number in range(1000)))
    assert answer.refusal == (422, "invalid_request")
    assert len(answer.body) < 1000
