"""opencode's databases of both generations, and the files before them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_orchestrator.history.items import (
    BrokenRecord,
    ForkPoint,
    FoundEvent,
    ModelRequest,
    SessionFacts,
    Title,
    TitleRank,
    TurnEnd,
    UnknownRecord,
)
from tests.support.found_items import check_items, events_of, of_kind, texts_of, total
from tests.support.opencode_samples import (
    ANSWER,
    CHILD,
    FORK,
    LAST_ANSWER,
    MAIN,
    NEW,
    OLD,
    PARENT,
    SESSIONS,
    build,
    change,
    read,
)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return build(tmp_path / "opencode.db", OLD)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return build(tmp_path / "opencode.db", NEW)


@pytest.mark.parametrize("script", [OLD, NEW])
def test_facts_come_first_and_once(tmp_path: Path, script: str) -> None:
    items = read(build(tmp_path / "opencode.db", script), CHILD)
    assert items[0] == of_kind(items, SessionFacts)[0]
    (facts,) = of_kind(items, SessionFacts)
    assert facts.project_dir == "/home/user/project"
    assert facts.parent_session_id == PARENT
    assert facts.title == Title(TitleRank.GENERATED, "Side work (@general subagent)")
    assert facts.agent_version in ("1.18.33", "2.0.14")


def test_both_generations_give_the_same_session(tmp_path: Path) -> None:
    old = build(tmp_path / "1" / "opencode.db", OLD)
    new = build(tmp_path / "2" / "opencode.db", NEW)
    for session_id in SESSIONS:
        first, second = read(old, session_id), read(new, session_id)
        assert of_kind(first, FoundEvent) == of_kind(second, FoundEvent)
        assert of_kind(first, ModelRequest) == of_kind(second, ModelRequest)
        assert set(of_kind(first, TurnEnd)) == set(of_kind(second, TurnEnd))
        check_items(first)
    main = of_kind(read(new, MAIN), ModelRequest)
    assert total(main)["input_tokens"] == 6000
    assert sum(request.cost_nanodollars or 0 for request in main) == 6 * 4_230_000


def test_messages_and_calls_are_read_in_order(old: Path) -> None:
    items = read(old, MAIN)
    kinds = [(event["event_type"], event.get("role")) for event in events_of(items)]
    call: list[tuple[str, str | None]] = [("pre_tool", None), ("post_tool", None)]
    said: list[tuple[str, str | None]] = [("message", "assistant")]
    asked: list[tuple[str, str | None]] = [("message", "user")]
    assert kinds == asked + said + call + said + call * 3 + said + asked + said
    assert texts_of(items, role="user") == ["Read it and say done.", "Second prompt."]
    assert [end.reason for end in of_kind(items, TurnEnd)] == ["completed", "completed"]
    assert not of_kind(items, UnknownRecord)
    output = events_of(items)[3]
    assert output["tool_output"] == "hi-from-tool\n"
    assert output["timestamp"] == "2026-11-27T16:27:07.391Z"


def test_prompt_of_a_person_has_no_origin(old: Path) -> None:
    prompt = events_of(read(old, MAIN))[0]
    assert "origin" not in prompt
    data = json.dumps({"type": "text", "text": "Injected.", "synthetic": True})
    user = "msg_21dd4ebd8001PUlkBdbUbiMzti"
    change(old, "INSERT INTO part VALUES ('prt_z', ?, ?, 1, 1, ?)", user, MAIN, data)
    assert texts_of(read(old, MAIN), origin="system") == ["Injected."]
    assert events_of(read(old, MAIN))[0] == prompt


@pytest.mark.parametrize("script", [OLD, NEW])
def test_failed_calls_have_an_error(tmp_path: Path, script: str) -> None:
    items = read(build(tmp_path / "opencode.db", script), MAIN)
    errors = [e.get("error") for e in events_of(items) if e["event_type"] == "post_tool"]
    assert errors == [
        None,
        "exit code 2",
        "Model tried to call unavailable tool 'nosuchtool'.",
        None,
    ]


def test_error_of_a_call_is_its_text(old: Path) -> None:
    change(
        old,
        "UPDATE part SET data = json_set(data, '$.state.status', 'error', '$.state.error', ?)"
        " WHERE json_extract(data, '$.callID') = 'call_87fc2f5483c7'",
        "permission denied",
    )
    assert events_of(read(old, MAIN))[3]["error"] == "permission denied"


def test_reasoning_is_part_of_the_output(old: Path) -> None:
    items = read(old, PARENT)
    thoughts = [e["content"] for e in events_of(items) if e["event_type"] == "thinking"]
    assert thoughts == [[{"type": "text", "text": "I look first."}]]
    counts = of_kind(items, ModelRequest)[0].counts
    assert (counts["output_tokens"], counts["reasoning_tokens"]) == (42, 5)


def test_reasoning_inside_the_output_is_counted_once(old: Path) -> None:
    change(old, "UPDATE message SET data = json_set(data, '$.tokens.output', 42)")
    counts = of_kind(read(old, PARENT), ModelRequest)[0].counts
    assert counts["output_tokens"] == 42


def test_cost_of_zero_is_unknown(old: Path) -> None:
    change(old, "UPDATE message SET data = json_set(data, '$.cost', 0)")
    assert {item.cost_nanodollars for item in of_kind(read(old, MAIN), ModelRequest)} == {None}


@pytest.mark.parametrize("script", [OLD, NEW])
def test_copies_in_a_fork_are_inherited(tmp_path: Path, script: str) -> None:
    items = read(build(tmp_path / "opencode.db", script), FORK)
    found = of_kind(items, FoundEvent)
    own = [item for item in found if not item.is_inherited]
    assert texts_of(own) == ["Forked prompt.", "Forked answer."]
    assert len(found) > len(own)
    assert [item.key for item in of_kind(items, ModelRequest)] == [
        "opencode:msg_21ddbaf1d001retnkruavAiAp0"
    ]


def test_fork_of_2x_names_its_origin(new: Path) -> None:
    assert of_kind(read(new, FORK), SessionFacts)[0].forked_from == ForkPoint(MAIN)


@pytest.mark.parametrize(
    ("script", "table"), [(OLD, "message"), (NEW, "session_message")], ids=["1.x", "2.x"]
)
def test_incomplete_answer_is_read_later(tmp_path: Path, script: str, table: str) -> None:
    path = build(tmp_path / "opencode.db", script)
    whole = read(path, MAIN)
    statement = f"UPDATE {table} SET data = json_remove(data, '$.time.completed') WHERE id = ?"
    change(path, statement, LAST_ANSWER)
    part = read(path, MAIN)
    assert of_kind(part, FoundEvent) == of_kind(whole, FoundEvent)[:-1]
    assert len(of_kind(part, ModelRequest)) == len(of_kind(whole, ModelRequest)) - 1


def test_abandoned_answer_is_read_as_cut(old: Path) -> None:
    change(
        old,
        "UPDATE message SET data = json_remove(data, '$.time.completed') WHERE id = ?",
        ANSWER,
    )
    change(
        old,
        "UPDATE part SET data = json_set(data, '$.state.status', 'running') WHERE message_id = ?"
        " AND json_extract(data, '$.type') = 'tool'",
        ANSWER,
    )
    items = read(old, MAIN)
    cut = [request.key for request in of_kind(items, ModelRequest) if request.is_cut]
    assert cut == [f"opencode:{ANSWER}"]
    assert events_of(items)[3]["error"] == "the call did not end"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"name": "MessageAbortedError", "data": {"message": "aborted"}}, "stopped"),
        ({"name": "APIError", "data": {"message": "status 500"}}, "failed"),
        ({"type": "provider", "message": "status 500"}, "failed"),
    ],
)
def test_error_of_an_answer_ends_the_turn(old: Path, error: dict[str, Any], reason: str) -> None:
    change(
        old,
        "UPDATE message SET data = json_set(data, '$.error', json(?)) WHERE id = ?",
        json.dumps(error),
        LAST_ANSWER,
    )
    end = of_kind(read(old, MAIN), TurnEnd)[-1]
    assert end.reason == reason
    assert end.error in ("aborted", "status 500")


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [("succeeded", "completed"), ("failed", "failed"), ("interrupted", "stopped")],
)
def test_idle_session_ends_the_turn(new: Path, outcome: str, reason: str) -> None:
    change(
        new,
        "UPDATE session_message SET data = json_set(data, '$.outcome', ?) WHERE type = 'idle'",
        outcome,
    )
    assert of_kind(read(new, MAIN), TurnEnd)[-1].reason == reason


def test_other_messages_of_2x_are_read(new: Path) -> None:
    time = {"created": 1795796900000, "completed": 1795796901000}
    rows: list[tuple[str, dict[str, Any]]] = [
        ("synthetic", {"text": "Injected."}),
        ("system", {"text": "Changed."}),
        ("compaction", {"status": "completed", "summary": "So far.", "tokens": {"input": 7}}),
        ("compaction", {"status": "running", "summary": "So"}),
        ("shell", {"command": "ls", "exit": 2, "output": {"output": "none"}, "status": "exited"}),
        ("agent-switched", {"agent": "plan"}),
        ("hologram", {}),
        ("hologram", {}),
    ]
    for number, (kind, data) in enumerate(rows):
        change(
            new,
            "INSERT INTO session_message VALUES (?, ?, ?, ?, 1, 1, ?)",
            f"msg_z{number}",
            MAIN,
            kind,
            100 + number,
            json.dumps({**data, "time": time}),
        )
    items = read(new, MAIN)
    check_items(items)
    assert texts_of(items, origin="system") == ["Injected.", "Changed."]
    assert texts_of(items, origin="compaction") == ["So far."]
    assert of_kind(items, ModelRequest)[-1].counts == {"input_tokens": 7}
    assert events_of(items)[-2]["tool_input"] == {"command": "ls"}
    assert events_of(items)[-1]["error"] == "exit code 2"
    assert of_kind(items, UnknownRecord) == [UnknownRecord(kind="session_message hologram")] * 2


def test_default_title_gives_way_to_the_prompt(old: Path) -> None:
    change(old, "UPDATE session SET title = 'New session - 2026-11-27T16:27:02.700Z'")
    items = read(old, MAIN)
    titles = [facts.title for facts in of_kind(items, SessionFacts)]
    assert titles == [None, Title(TitleRank.PROMPT, "Read it and say done.")]


def test_project_stands_in_for_a_missing_directory(old: Path) -> None:
    change(old, "UPDATE session SET directory = ''")
    change(old, "UPDATE project SET worktree = '/home/user/other'")
    assert of_kind(read(old, MAIN), SessionFacts)[0].project_dir == "/home/user/other"


def test_broken_record_does_not_hide_the_others(old: Path) -> None:
    whole = of_kind(read(old, MAIN), FoundEvent)
    change(old, "UPDATE message SET data = '[' WHERE id = ?", LAST_ANSWER)
    change(old, "UPDATE part SET data = '7' WHERE id = 'prt_21dd4f91c001K5DoeNMHA3S6ex'")
    items = read(old, MAIN)
    assert {item.place for item in of_kind(items, BrokenRecord)} == {
        f"message {LAST_ANSWER}",
        "part prt_21dd4f91c001K5DoeNMHA3S6ex",
    }
    assert len(of_kind(items, FoundEvent)) == len(whole) - 2


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([10**400, -1, 7])
    | st.floats()
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "role", "time", "created", "completed", "state", "input", "tool"]
                + [
                    "callID",
                    "id",
                    "name",
                    "status",
                    "output",
                    "content",
                    "error",
                    "tokens",
                    "cache",
                ]
                + ["cost", "finish", "summary", "metadata", "exit", "model", "message"]
            ),
            inner
            | st.sampled_from(["text", "tool", "assistant", "user", "completed", "reasoning"]),
            max_size=8,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(messages=st.lists(anything, max_size=3), parts=st.lists(anything, max_size=3))
def test_any_rows_of_1x_raise_nothing_else(
    tmp_path: Path, messages: list[Any], parts: list[Any]
) -> None:
    path = tmp_path / "any.db"
    path.unlink(missing_ok=True)
    build(path, OLD)
    for number, message in enumerate(messages):
        values = (f"msg_{number}", MAIN, json.dumps(message))
        change(path, "INSERT INTO message VALUES (?, ?, 1, 1, ?)", *values)
        for place, part in enumerate(parts):
            row = (f"prt_{number}_{place}", f"msg_{number}", MAIN, json.dumps(part))
            change(path, "INSERT INTO part VALUES (?, ?, ?, 1, 1, ?)", *row)
    items = read(path, MAIN)
    check_items(items)
    assert "All done." in texts_of(items)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from([*("user", "assistant", "shell", "compaction", "idle", "skill"), 7]),
            anything,
        ),
        max_size=4,
    )
)
def test_any_rows_of_2x_raise_nothing_else(tmp_path: Path, rows: list[tuple[Any, Any]]) -> None:
    path = tmp_path / "any.db"
    path.unlink(missing_ok=True)
    build(path, NEW)
    for number, (kind, data) in enumerate(rows):
        values = (f"msg_{number}", MAIN, kind, number - 100, json.dumps(data))
        change(path, "INSERT INTO session_message VALUES (?, ?, ?, ?, 1, 1, ?)", *values)
    items = read(path, MAIN)
    check_items(items)
    assert "All done." in texts_of(items)
