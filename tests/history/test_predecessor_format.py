from __future__ import annotations

from pathlib import Path

import pytest

from agent_orchestrator.history.formats.predecessor import FORMAT
from agent_orchestrator.history.items import ModelRequest, SessionFacts, Title, TitleRank, TurnEnd
from tests.support.predecessor_files import (
    META,
    RUN,
    SESSION,
    Json,
    assistant,
    ends,
    events,
    prompt,
    read,
    requests,
    result,
    text,
    user,
    write,
)


def test_roots_follow_the_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sessions = ".agent-orchestrator/agent-sessions"
    assert FORMAT.roots(Path("/home/me"), {}) == [tmp_path / sessions]
    environ = {
        "AGENT_ORCHESTRATOR_SESSIONS_DIR": "/sessions",
        "AGENT_ORCHESTRATOR_PROJECT_DIR": "/project",
    }
    assert FORMAT.roots(Path("/home/me"), environ) == [
        Path("/sessions"),
        Path("/project") / sessions,
    ]


def test_find_needs_both_files_inside_the_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    for path in (
        root / "both.jsonl",
        root / "both.meta.json",
        root / "alone.jsonl",
        root / "no-lines.meta.json",
        outside / "linked.jsonl",
        root / "linked.meta.json",
    ):
        path.touch()
    (root / "linked.jsonl").symlink_to(outside / "linked.jsonl")
    assert [source.path.name for source in FORMAT.find(root)] == ["both.jsonl"]
    assert list(FORMAT.find(tmp_path / "missing")) == []


def test_stamp_changes_with_either_file(tmp_path: Path) -> None:
    before = write(tmp_path, RUN).stamp
    with (tmp_path / "architect.jsonl").open("a") as file:
        file.write("\n")
    (grown,) = FORMAT.find(tmp_path)
    (tmp_path / "architect.meta.json").write_text("{}")
    (renamed,) = FORMAT.find(tmp_path)
    assert len({before, grown.stamp, renamed.stamp}) == 3


def test_facts_come_from_the_meta_file(tmp_path: Path) -> None:
    assert read(tmp_path, RUN, {**META, "agent": "planner"})[0] == SessionFacts(
        session_id=SESSION,
        project_dir="/home/me/project",
        title=Title(TitleRank.CHOSEN, "architect"),
        agent_name="planner",
    )


def test_messages_become_events_in_order(tmp_path: Path) -> None:
    estimated = {"timestamp_is_estimated": True}
    assert events(read(tmp_path, RUN)) == [
        {
            "event_type": "message",
            "event_id": f"{SESSION}:1:0",
            "timestamp": "2025-11-20T10:00:00.000Z",
            "role": "user",
            "content": [{"type": "text", "text": "List the files."}],
        },
        {
            "event_type": "thinking",
            "event_id": f"{SESSION}:3:0",
            "timestamp": "2025-11-20T10:00:02.285Z",
            **estimated,
            "content": [{"type": "text", "text": "A listing."}],
        },
        {
            "event_type": "message",
            "event_id": f"{SESSION}:4:0",
            "timestamp": "2025-11-20T10:00:03.428Z",
            **estimated,
            "role": "assistant",
            "content": [{"type": "text", "text": "I look."}],
        },
        {
            "event_type": "pre_tool",
            "event_id": "toolu_1:pre",
            "timestamp": "2025-11-20T10:00:03.428Z",
            **estimated,
            "tool_name": "Bash",
            "tool_input": {"command": "ls"},
            "tool_use_id": "toolu_1",
        },
        {
            "event_type": "post_tool",
            "event_id": "toolu_1:post",
            "timestamp": "2025-11-20T10:00:04.571Z",
            **estimated,
            "tool_name": "Bash",
            "tool_output": "a.py",
            "tool_use_id": "toolu_1",
        },
        {
            "event_type": "message",
            "event_id": f"{SESSION}:6:0",
            "timestamp": "2025-11-20T10:00:05.714Z",
            **estimated,
            "role": "assistant",
            "content": [{"type": "text", "text": "One file."}],
        },
    ]


def test_run_with_a_result_is_completed_and_counted(tmp_path: Path) -> None:
    items = read(tmp_path, RUN)
    assert ends(items) == [TurnEnd(session_id=SESSION, reason="completed")]
    assert requests(items) == [
        ModelRequest(
            session_id=SESSION,
            key=f"predecessor:{SESSION}:7",
            counts={
                "input_tokens": 10,
                "output_tokens": 20,
                "cache_read_tokens": 1000,
                "cache_creation_tokens": 100,
                "cache_creation_1h_tokens": 60,
                "web_searches": 1,
            },
            occurred_at="2025-11-20T10:00:06.857Z",
            model="claude-sonnet-4-5",
            provider="anthropic",
            cost_nanodollars=10_000_000,
        )
    ]


def test_cost_is_the_increase_of_the_total(tmp_path: Path) -> None:
    totals = [0.01, 0.03, 0.005]
    lines = [line for total in totals for line in (prompt("Go."), result(total_cost_usd=total))]
    costs = [request.cost_nanodollars for request in requests(read(tmp_path, lines))]
    assert costs == [10_000_000, 20_000_000, 5_000_000]


def test_run_without_a_result_has_no_end(tmp_path: Path) -> None:
    assert ends(read(tmp_path, RUN[:-1])) == []


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"subtype": "error_max_turns", "result": None}, "error_max_turns"),
        ({"is_error": True, "result": "Credit balance is too low"}, "Credit balance is too low"),
    ],
)
def test_failed_run_has_an_error(tmp_path: Path, fields: Json, error: str) -> None:
    end = TurnEnd(session_id=SESSION, reason="failed", error=error)
    assert ends(read(tmp_path, [prompt("Go."), result(**fields)])) == [end]


@pytest.mark.parametrize(
    ("times", "duration", "expected"),
    [
        (("10:00:00", "11:00:00"), 8000, "2025-11-20T10:00:02.666Z"),
        (("10:00:00", "10:00:03"), 8000, "2025-11-20T10:00:01.000Z"),
        (("10:00:00", "10:00:03"), None, "2025-11-20T10:00:01.000Z"),
        (("10:00:00", "09:00:00"), 8000, "2025-11-20T10:00:00.000Z"),
    ],
)
def test_time_is_between_the_prompts(
    tmp_path: Path, times: tuple[str, str], duration: int | None, expected: str
) -> None:
    first, second = (f"2025-11-20T{time}+00:00" for time in times)
    lines = [
        prompt("First.", first),
        assistant(text("One.")),
        result(duration_ms=duration),
        prompt("Second.", second),
    ]
    assert events(read(tmp_path, lines))[1]["timestamp"] == expected


def test_time_at_the_end_of_the_calendar_is_kept(tmp_path: Path) -> None:
    last = "9999-12-31T23:59:59+00:00"
    lines = [prompt("Go.", last), assistant(text("One.")), result(duration_ms=86_400_000)]
    assert events(read(tmp_path, lines))[1]["timestamp"] == "9999-12-31T23:59:59.000Z"


def test_event_id_uses_the_id_of_the_message(tmp_path: Path) -> None:
    lines = [prompt("Go."), assistant({"thinking": "x"}, text("One."), uuid="u1")]
    assert [event["event_id"] for event in events(read(tmp_path, lines))[1:]] == ["u1:0", "u1:1"]


def test_subagent_events_have_their_parent(tmp_path: Path) -> None:
    lines = [
        prompt("Go."),
        user("Look around.", parent_tool_use_id="toolu_1"),
        assistant(text("I looked."), parent_tool_use_id="toolu_1"),
    ]
    (found,) = events(read(tmp_path, lines))[1:]
    assert found["parent_tool_use_id"] == "toolu_1"


def test_texts_of_the_program_have_an_origin(tmp_path: Path) -> None:
    lines = [
        prompt("Go."),
        user("Hook says no."),
        assistant(text("API error"), error="server_error"),
    ]
    found = events(read(tmp_path, lines))[1:]
    assert [(event["event_type"], event.get("origin")) for event in found] == [
        ("message", "system"),
        ("diagnostic", None),
    ]


@pytest.mark.parametrize(
    ("content", "error"),
    [("no such file", "no such file"), ([text("gone")], "gone"), (None, "the tool failed")],
)
def test_failed_call_has_an_error(tmp_path: Path, content: Json, error: str) -> None:
    failure = user([{"tool_use_id": "toolu_1", "content": content, "is_error": True}])
    assert events(read(tmp_path, [prompt("Go."), failure]))[1]["error"] == error


def test_oldest_lines_are_read(tmp_path: Path) -> None:
    lines = [
        {"type": "system", "subtype": "init", "session_id": SESSION},
        {
            "type": "assistant",
            "message": {
                "model": "claude-sonnet-4-5",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}},
                ],
            },
            "uuid": "u1",
        },
        {
            "type": "user",
            "message": {"content": [{"type": "tool_result", "tool_use_id": "toolu_1"}]},
        },
        {"type": "result", "subtype": "success", "result": "Done.", "total_cost_usd": 0.1},
    ]
    meta = {"session_name": "architect", "created_at": "2025-11-20T10:00:00.000Z"}
    items = read(tmp_path, lines, meta)
    found = events(items)
    assert [event["event_id"] for event in found] == ["u1:0", "toolu_1:pre", "toolu_1:post"]
    assert {event["timestamp"] for event in found} == {"2025-11-20T10:00:00.000Z"}
    assert [end.reason for end in ends(items)] == ["completed"]
    assert isinstance(items[0], SessionFacts)
    assert items[0].session_id == SESSION


def test_session_without_an_id_gets_a_stable_one(tmp_path: Path) -> None:
    ids = []
    for name, meta in (
        ("first", {**META, "session_id": None}),
        ("copy", {**META, "session_id": None, "last_resumed_at": "2025-11-21T10:00:00.000Z"}),
        ("another", {**META, "session_id": None, "project_dir": "/home/me/another"}),
        ("odd", {"session_name": "-ü/" + "x" * 500}),
    ):
        directory = tmp_path / name
        directory.mkdir()
        facts = read(directory, [prompt("Go.")], meta)[0]
        assert isinstance(facts, SessionFacts)
        ids.append(facts.session_id)
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert ids[0].startswith("predecessor:architect:")
    assert all(len(found) <= 128 for found in ids)
