"""Responses of each route: the fields of a success, and each refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tests.support.api import Api
from tests.support.rows import each_row

NewId = Callable[[], str]

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
NEW_RUN = {
    "run": 1,
    "started_at": "moment",
    "finished_at": None,
    "exit_code": None,
    "reason": None,
    "host": "here",
    "imported": False,
    "lease": None,
}
TOKENS = ("input", "output", "cache_read", "cache_creation", "cache_creation_1h", "reasoning")
COSTS = ("unpriced_tokens", "web_searches", "cost_microdollars", "cost_nanodollars")
NO_USAGE = dict.fromkeys((*(f"{kind}_tokens" for kind in TOKENS), *COSTS), 0)


def without_moments(value: dict[str, Any]) -> dict[str, Any]:
    """Replace each timestamp with the word `moment`, because a test cannot know its value."""
    return {
        name: "moment" if isinstance(part, str) and MOMENT.fullmatch(part) else part
        for name, part in value.items()
    }


def test_created_session_has_all_its_fields(api: Api, new_id: NewId) -> None:
    session_id = new_id()
    answer = api.post(
        "/sessions",
        {
            "session_id": session_id,
            "session_name": "name",
            "project_dir": "/p",
            "agent_name": "a",
            "executor": "command",
            "parent_session_id": "the-parent",
            "unique_name": True,
            "host": "here",
            "spec": {"argv": ["x"], "deep": [{"er": 1.5}]},
        },
    )
    assert answer.status == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["ok"] is True
    session = without_moments(answer.json["session"])
    assert re.fullmatch("[0-9a-f]{32}", session.pop("generation"))
    assert session == {
        "session_id": session_id,
        "session_name": "name",
        "status": "running",
        "state": "running",
        "created_at": "moment",
        "last_resumed_at": None,
        "project_dir": "/p",
        "agent_name": "a",
        "executor": "command",
        "agent": "a",
        "parent_session_id": "the-parent",
        **dict.fromkeys(("child_count", "children_running", "children_failed"), 0),
        **dict.fromkeys(("waiting_questions", "undelivered_notices", "children_waiting"), 0),
        **dict.fromkeys(("seen_run", "denied_calls"), 0),
        "last_seq": 0,
        "last_activity_at": "moment",
        "archived_at": None,
        "usage": NO_USAGE,
        "damaged": False,
        "masked_secrets": 0,
        "took_seconds": 0,
        **dict.fromkeys(("title", "source", "forked_from", "notices_held", "model")),
        **dict.fromkeys(("prompt", "attention", "outcome")),
        **NEW_RUN,
    }
    assert api.get(f"/sessions/{session_id}").json == answer.json
    (run,) = api.get(f"/sessions/{session_id}/runs").json["runs"]
    assert without_moments(run) == {
        **NEW_RUN,
        "spec": {"argv": ["x"], "deep": [{"er": 1.5}]},
        "usage": NO_USAGE,
    }


def test_stopped_session_has_exit_code_and_reason(api: Api, session_id: str) -> None:
    stop = {"event_type": "session_stop", "exit_code": 3, "reason": "timeout"}
    assert api.post(f"/sessions/{session_id}/events", stop).status == 201
    session = api.get(f"/sessions/{session_id}").json["session"]
    assert {name: session[name] for name in ("status", "exit_code", "reason", "last_seq")} == {
        "status": "finished",
        "exit_code": 3,
        "reason": "timeout",
        "last_seq": 1,
    }
    assert MOMENT.fullmatch(session["finished_at"])


def test_event_is_returned_flat_with_fields_of_the_manager(api: Api, session_id: str) -> None:
    event = {
        "event_type": "post_tool",
        "event_id": "e-1",
        "session_id": session_id,
        "session_name": "the name that the caller sent",
        "timestamp": "2001-01-01T00:00:00Z",
        "tool_name": "Bash",
        "tool_input": {"command": "ls"},
        "tool_output": ["anything", {"at": "all"}],
        "error": None,
        "own_field": [1, 2.5, None],
        # The manager overwrites these:
        "seq": 99,
        "recorded_at": "never",
        "late": True,
    }
    answer = api.post(f"/sessions/{session_id}/events", event)
    assert (answer.status, answer.json) == (201, {"ok": True, "seqs": [1]})
    listed = api.get(f"/sessions/{session_id}/events").json
    assert listed["has_more"] is False
    (stored,) = listed["events"]
    assert without_moments(stored) == {
        **event,
        "seq": 1,
        "run": 1,
        "late": False,
        "recorded_at": "moment",
    }


def test_unknown_type_of_event_is_stored_and_changes_nothing(api: Api, session_id: str) -> None:
    assert api.post(f"/sessions/{session_id}/events", {"event_type": "sessionStop"}).status == 201
    assert api.get(f"/sessions/{session_id}/status").json == {"status": "running"}


def test_list_of_events_returns_all_seqs(api: Api, session_id: str) -> None:
    events = [{"event_type": "message", "event_id": str(number % 3)} for number in range(5)]
    assert api.post(f"/sessions/{session_id}/events", events).json["seqs"] == [1, 2, 3, 1, 2]
    assert api.post(f"/sessions/{session_id}/events", []).json == {"ok": True, "seqs": []}


def test_append_with_an_unknown_position_is_refused(api: Api, session_id: str) -> None:
    path = f"/sessions/{session_id}"
    generation = api.get(path).json["session"]["generation"]
    event = {"event_type": "x"}
    for query, said in {
        "": 201,
        f"?known={generation}:1": 201,
        f"?known={generation}:2&more=1": 201,
        f"?known={generation}:4": "record_behind",
        f"?known={'f' * 32}:1": "record_behind",
        "?known=": "invalid_request",
        "?known=3": "invalid_request",
        f"?known={generation}:1&known={generation}:1": "invalid_request",
    }.items():
        answer = api.post(f"{path}/events{query}", event)
        assert (answer.json.get("code") or answer.status) == said, query
    assert api.get(path).json["session"]["last_seq"] == 3


def test_event_sent_again_gets_its_seq_and_is_stored_once(api: Api, session_id: str) -> None:
    event = {"event_type": "message", "event_id": "once"}
    for _ in range(3):
        assert api.post(f"/sessions/{session_id}/events", event).json["seqs"] == [1]
    assert api.get(f"/sessions/{session_id}").json["session"]["last_seq"] == 1


def test_result_is_all_text_of_the_last_answer(api: Api, session_id: str) -> None:
    content = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "one"},
        {"type": "tool_use", "name": "Bash"},
        {"type": "text", "text": "two"},
    ]
    api.post(
        f"/sessions/{session_id}/events",
        [
            {"event_type": "message", "role": "assistant", "content": content},
            {"event_type": "message", "role": "assistant", "content": [{"type": "tool_use"}]},
            {"event_type": "message", "role": "user", "content": [{"type": "text", "text": "no"}]},
            {"event_type": "session_stop"},
        ],
    )
    assert api.get(f"/sessions/{session_id}/result").json == {"result": "one\ntwo"}


def test_late_answer_of_an_older_run_is_not_the_result(api: Api, session_id: str) -> None:
    def answer(text: str, run: int, timestamp: str) -> dict[str, Any]:
        content = [{"type": "text", "text": text}]
        return {
            "event_type": "message",
            "role": "assistant",
            "content": content,
            "run": run,
            "timestamp": timestamp,
        }

    path = f"/sessions/{session_id}"
    api.post(f"{path}/events", {"event_type": "session_stop"})
    assert api.post(f"{path}/runs", {}).json["session"]["run"] == 2
    api.post(
        f"{path}/events",
        [
            answer("new", 2, "1999-01-01T00:00:00Z"),
            answer("old", 1, "2999-01-01T00:00:00Z"),
            {"event_type": "session_stop", "run": 1, "exit_code": 9},
        ],
    )
    assert api.get(f"{path}/status").json == {"status": "running"}
    api.post(f"{path}/events", {"event_type": "session_stop", "run": 2, "exit_code": 0})
    assert api.get(f"{path}/result").json == {"result": "new"}
    late = [event["late"] for event in api.get(f"{path}/events").json["events"]]
    assert late == [False, False, True, True, False]
    assert api.get(f"{path}").json["session"]["exit_code"] == 0


def test_usage_is_summed_per_run_and_session(api: Api, session_id: str) -> None:
    path = f"/sessions/{session_id}"
    usage = {"event_type": "usage", "usage": {"input_tokens": 5, "cost_microdollars": 7}}
    api.post(f"{path}/events", [usage, usage])
    api.post(f"{path}/runs", {"takeover": True})
    api.post(f"{path}/events", usage)
    runs = api.get(f"{path}/runs").json["runs"]
    assert [run["usage"]["input_tokens"] for run in runs] == [10, 5]
    assert api.get(path).json["session"]["usage"] == {
        **NO_USAGE,
        "input_tokens": 15,
        "cost_microdollars": 21,
        "cost_nanodollars": 21_000,
    }


def test_next_run_of_a_running_session_needs_takeover(api: Api, session_id: str) -> None:
    path = f"/sessions/{session_id}"
    assert api.post(f"{path}/runs", {}).refusal == (409, "session_running")
    taken = api.post(f"{path}/runs", {"takeover": True, "host": "there", "spec": {"x": 1}})
    assert taken.status == 201
    session = taken.json["session"]
    assert (session["run"], session["status"], session["host"]) == (2, "running", "there")
    first, second = api.get(f"{path}/runs").json["runs"]
    assert (first["reason"], second["reason"], second["spec"]) == ("lost", None, {"x": 1})


def test_deletion_reports_the_number_of_deleted_events(api: Api, session_id: str) -> None:
    api.post(f"/sessions/{session_id}/events", [{"event_type": "x"}] * 7)
    answer = api.delete(f"/sessions/{session_id}")
    assert (answer.status, answer.json) == (
        200,
        {
            "ok": True,
            "session_id": session_id,
            "deleted": {"session": True, "events_count": 7},
        },
    )
    assert api.get(f"/sessions/{session_id}/events").refusal == (404, "session_not_found")


def test_archived_session_has_a_date_and_can_be_restored(api: Api, session_id: str) -> None:
    path = f"/sessions/{session_id}"
    assert MOMENT.fullmatch(api.patch(path, {"archived": True}).json["session"]["archived_at"])
    assert api.patch(path, {"archived": False}).json["session"]["archived_at"] is None


def test_last_resumed_at_is_stored_in_utc(api: Api, session_id: str) -> None:
    answer = api.patch(
        f"/sessions/{session_id}", {"last_resumed_at": "2024-02-29T23:30:00.5+02:00"}
    )
    assert answer.json["session"]["last_resumed_at"] == "2024-02-29T21:30:00.500000Z"
    assert answer.json["session"]["run"] == 2


ON_A_SESSION = ["", "/result", "/events", "/runs"]


@each_row("suffix", ON_A_SESSION)
@each_row("unknown", ["unknown", "..%2Fhealth", "a%2Fb", "%00", "%C3%A9", "a%0a", "~"])
def test_unknown_session_is_404(api: Api, suffix: str, unknown: str) -> None:
    assert api.get(f"/sessions/{unknown}{suffix}").refusal[0] == 404
    assert api.get(f"/sessions/unknown{suffix}").refusal == (404, "session_not_found")


def test_every_change_of_an_unknown_session_is_404(api: Api) -> None:
    refusals = [
        api.post("/sessions/unknown/events", {"event_type": "x"}).refusal,
        api.post("/sessions/unknown/runs", {}).refusal,
        api.patch("/sessions/unknown", {"session_name": "x"}).refusal,
        api.delete("/sessions/unknown").refusal,
    ]
    assert refusals == [(404, "session_not_found")] * 4


@each_row("unknown", ["unknown", "%2e%2e", "a%00", "%C3%A9", "a" * 129, "-a"])
def test_status_is_200_for_any_id(api: Api, unknown: str) -> None:
    answer = api.get(f"/sessions/{unknown}/status")
    assert (answer.status, answer.json) == (200, {"status": "not_existent"})


def test_conflicts_have_their_codes(api: Api, session_id: str, new_id: NewId) -> None:
    path = f"/sessions/{session_id}"
    again = {"session_id": session_id, "session_name": "x"}
    assert api.post("/sessions", again).refusal == (409, "session_exists")
    assert api.get(f"{path}/result").refusal == (409, "session_not_finished")
    api.post(f"{path}/events", {"event_type": "session_stop"})
    assert api.get(f"{path}/result").refusal == (409, "no_result")
    name = new_id()
    first = {"session_id": new_id(), "session_name": name, "unique_name": True}
    assert api.post("/sessions", first).status == 201
    taken = api.post("/sessions", {**first, "session_id": new_id()})
    assert taken.refusal == (409, "name_taken")
    assert first["session_id"] in taken.json["detail"]


@each_row(
    ("method", "target", "allowed"),
    [
        ("PUT", "/sessions", {"GET", "POST"}),
        ("DELETE", "/sessions", {"GET", "POST"}),
        ("POST", "/sessions/x", {"GET", "PATCH", "DELETE"}),
        ("PATCH", "/sessions/x/events", {"GET", "POST"}),
        ("DELETE", "/sessions/x/status", {"GET"}),
        ("POST", "/health", {"GET"}),
        ("TRACE", "/sessions", {"GET", "POST"}),
        ("OPTIONS", "/sessions", {"GET", "POST"}),
    ],
)
def test_unknown_method_is_405_and_lists_allowed_methods(
    api: Api, method: str, target: str, allowed: set[str]
) -> None:
    answer = api.call(method, target, b"{}" if method in ("PUT", "POST", "PATCH") else None)
    assert answer.refusal == (405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed


@each_row(
    "target", ["/sessions/", "/session", "/sessions/x/other", "//sessions", "/docs", "/redoc"]
)
def test_unknown_path_is_404(api: Api, target: str) -> None:
    assert api.get(target).refusal == (404, "not_found")


def test_published_openapi_document_is_served(api: Api) -> None:
    document = api.get("/openapi.json").json
    assert "/sessions/{session_id}/events" in document["paths"]


def test_unknown_field_is_refused(api: Api, session_id: str) -> None:
    for refused in (
        api.post("/sessions", {"session_id": "never", "session_name": "x", "sesion_name": "y"}),
        api.patch(f"/sessions/{session_id}", {"status": "finished"}),
        api.post(f"/sessions/{session_id}/runs", {"force": True}),
    ):
        assert refused.refusal == (422, "invalid_request")
    assert api.get("/sessions/never/status").json == {"status": "not_existent"}


def test_event_of_a_run_that_does_not_exist_is_refused(api: Api, session_id: str) -> None:
    refused = api.post(f"/sessions/{session_id}/events", {"event_type": "x", "run": 2})
    assert refused.refusal == (422, "invalid_event")


def test_event_that_names_another_session_is_refused(api: Api, session_id: str) -> None:
    refused = api.post(f"/sessions/{session_id}/events", {"event_type": "x", "session_id": "y"})
    assert refused.refusal == (422, "invalid_event")


def test_too_long_list_of_events_is_refused(api: Api, session_id: str) -> None:
    path = f"/sessions/{session_id}/events"
    assert api.post(path, [{"event_type": "x"}] * 1000).json["seqs"][-1] == 1000
    assert api.post(path, [{"event_type": "x"}] * 1001).refusal == (413, "too_many_events")
    assert api.get(f"/sessions/{session_id}").json["session"]["last_seq"] == 1000


def test_one_invalid_event_refuses_its_whole_list(api: Api, session_id: str) -> None:
    events = [{"event_type": "x"}, {"event_type": "x", "exit_code": "1"}, {"event_type": "x"}]
    refused = api.post(f"/sessions/{session_id}/events", events)
    assert refused.refusal == (422, "invalid_event")
    assert refused.json["detail"].startswith("event 1: ")
    assert api.get(f"/sessions/{session_id}").json["session"]["last_seq"] == 0


def test_response_is_one_json_document(api: Api, session_id: str) -> None:
    answer = api.get(f"/sessions/{session_id}")
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert json.loads(answer.body)
    assert "server" not in answer.headers
