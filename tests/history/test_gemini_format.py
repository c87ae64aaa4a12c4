"""Gemini CLI's files: records that replace each other, two generations, and subagents."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_orchestrator.history.format import Source
from agent_orchestrator.history.formats.gemini import FORMAT
from agent_orchestrator.history.items import (
    BrokenRecord,
    BrokenRecordError,
    FoundEvent,
    Item,
    ModelRequest,
    SessionFacts,
    Title,
    TitleRank,
    TurnEnd,
    UnknownRecord,
)
from tests.support.found_items import check_items, events_of, of_kind, texts_of, total

SAMPLES = Path(__file__).parent / "samples" / "gemini"
SAMPLE = SAMPLES / "session-2026-11-27T16-27-d1334d93.jsonl"
RESUMED = SAMPLES / "session-2026-11-27T16-28-d1334d93.jsonl"
SUBAGENT = SAMPLES / "37432da1-a241-4ed8-bba3-e551110ea6e7.jsonl"
SESSION = "d1334d93-e67a-48bc-812c-a1af355ed533"
TIME = "2026-11-27T10:00:00.000Z"
HEADER = {"sessionId": "s1", "projectHash": "0", "startTime": TIME, "kind": "main"}


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    path = tmp_path / ".gemini" / "tmp" / "project" / "chats"
    path.mkdir(parents=True)
    return path


def user(message_id: str, text: str, **fields: Any) -> dict[str, Any]:
    return {"id": message_id, "timestamp": TIME, "type": "user", "content": text, **fields}


def answer(message_id: str, text: str, **fields: Any) -> dict[str, Any]:
    tokens = {"input": 30, "output": 4, "cached": 20, "thoughts": 3, "tool": 0, "total": 37}
    message = {"id": message_id, "timestamp": TIME, "type": "gemini", "content": text}
    return {**message, "tokens": tokens, "model": "gemini-2.5-flash", **fields}


def write(path: Path, *records: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def read(path: Path) -> list[Item]:
    root = next(parent for parent in path.parents if parent.name == "tmp")
    return list(FORMAT.read(Source(path=path, root=root)))


def read_records(chats: Path, *records: Any) -> list[Item]:
    return read(write(chats / "session-1.jsonl", HEADER, *records))


def test_root_is_in_the_home_of_gemini(tmp_path: Path) -> None:
    assert FORMAT.roots(tmp_path, {}) == [tmp_path / ".gemini/tmp"]
    assert FORMAT.roots(tmp_path, {"GEMINI_CLI_HOME": "/data"}) == [Path("/data/.gemini/tmp")]


def test_sample_is_read_in_order(chats: Path) -> None:
    items = read(Path(shutil.copy(SAMPLE, chats)))
    check_items(items)
    assert {item.session_id for item in of_kind(items, FoundEvent)} == {SESSION}
    assert texts_of(items, origin="system") == ["<session_context>\nLeft out.\n</session_context>"]
    said = [text for text in texts_of(items) if not text.startswith("<")]
    assert said == ["Run it.", "I run it.", "All done.", "Second prompt.", "Second answer."]
    assert "origin" not in events_of(items)[1]
    calls = [event for event in events_of(items) if event["event_type"] == "post_tool"]
    assert [call["tool_name"] for call in calls] == ["run_shell_command", "read_file"]
    assert "hi-from-tool" in calls[0]["tool_output"]
    assert calls[1]["error"] == "File not found: /home/user/project/missing.txt"
    assert not of_kind(items, BrokenRecord) + of_kind(items, UnknownRecord)


def test_sample_has_the_usage_of_four_requests(chats: Path) -> None:
    requests = of_kind(read(Path(shutil.copy(SAMPLE, chats))), ModelRequest)
    assert len({request.key for request in requests}) == len(requests) == 4
    assert total(requests) == {
        "input_tokens": 4000,
        "output_tokens": 168,
        "cache_read_tokens": 8000,
        "reasoning_tokens": 0,
    }


def test_file_of_a_resume_adds_no_event(chats: Path) -> None:
    first, second = (read(Path(shutil.copy(path, chats))) for path in (SAMPLE, RESUMED))
    ids = {event["event_id"] for event in events_of(first)}
    assert {event["event_id"] for event in events_of(second)} <= ids


def test_file_read_twice_gives_the_same_items(chats: Path) -> None:
    path = Path(shutil.copy(SAMPLE, chats))
    assert read(path) == read(path)


def test_sample_cut_at_any_line_gives_a_beginning(chats: Path) -> None:
    lines = SAMPLE.read_bytes().splitlines(keepends=True)
    whole = {
        event["event_id"]: event for event in events_of(read(Path(shutil.copy(SAMPLE, chats))))
    }
    for end in range(1, len(lines)):
        path = chats / "session-cut.jsonl"
        path.write_bytes(b"".join(lines[:end]) + lines[end][:40])
        items = read(path)
        assert not of_kind(items, BrokenRecord)
        for event in events_of(items):
            assert whole[event["event_id"]] == event


def test_record_under_the_same_id_replaces_the_first(chats: Path) -> None:
    items = read_records(
        chats,
        answer("m1", "First.", tokens=None),
        user("m2", "Then."),
        answer("m1", "Last.", toolCalls=[{"id": "c", "name": "ls", "status": "success"}]),
    )
    assert texts_of(items) == ["Last.", "Then."]
    assert len(of_kind(items, ModelRequest)) == 1


def test_usage_separates_cached_tokens_and_adds_thoughts(chats: Path) -> None:
    (request,) = of_kind(read_records(chats, answer("m1", "Yes.")), ModelRequest)
    assert request.key == "gemini:s1:m1"
    assert request.model == "gemini-2.5-flash"
    assert request.counts == {
        "input_tokens": 10,
        "output_tokens": 7,
        "cache_read_tokens": 20,
        "reasoning_tokens": 3,
    }


def test_key_of_a_request_has_a_limit(chats: Path) -> None:
    header = {**HEADER, "sessionId": "s" * 128}
    records = [answer("m" * 149 + end, "Yes.") for end in "ab"]
    items = read(write(chats / "session-1.jsonl", header, *records))
    check_items(items)
    assert len({request.key for request in of_kind(items, ModelRequest)}) == 2


def test_messages_taken_back_are_kept_and_marked(chats: Path) -> None:
    before = [user("m1", "A."), answer("m2", "B."), user("m3", "C."), answer("m4", "D.")]
    items = read_records(chats, *before, {"$rewindTo": "m3"}, user("m5", "E."))
    assert texts_of(items) == ["A.", "B.", "C.", "D.", "E."]
    marks = [event.get("rolled_back") for event in events_of(items)]
    assert marks == [None, None, True, True, None]
    assert len(of_kind(items, ModelRequest)) == 2


def test_rewind_to_an_unknown_id_takes_all_back(chats: Path) -> None:
    items = read_records(chats, user("m1", "A."), {"$rewindTo": "x"}, user("m2", "B."))
    assert [event.get("rolled_back") for event in events_of(items)] == [True, None]


def test_message_written_again_after_a_rewind_is_valid(chats: Path) -> None:
    items = read_records(chats, user("m1", "A."), {"$rewindTo": "m1"}, user("m1", "A."))
    assert [event.get("rolled_back") for event in events_of(items)] == [None]


def test_replaced_messages_stay_in_the_history(chats: Path) -> None:
    items = read_records(chats, user("m1", "A."), {"$set": {"messages": [user("m2", "B.")]}})
    assert texts_of(items) == ["A.", "B."]


def test_two_sessions_in_one_file_are_separate(chats: Path) -> None:
    other = {**HEADER, "sessionId": "s2"}
    items = read_records(
        chats, user("m1", "A."), other, user("m1", "B."), {"$set": {"summary": "S"}}
    )
    facts = {found.session_id: found.title for found in of_kind(items, SessionFacts) if found.title}
    assert facts == {"s1": Title(TitleRank.PROMPT, "A."), "s2": Title(TitleRank.SUMMARY, "S")}
    texts = {item.session_id: texts_of([item]) for item in of_kind(items, FoundEvent)}
    assert texts == {"s1": ["A."], "s2": ["B."]}


def test_thoughts_come_before_the_answer(chats: Path) -> None:
    thoughts = [{"subject": "Plan", "description": "I look first.", "timestamp": TIME}]
    items = read_records(chats, answer("m1", "Yes.", thoughts=thoughts))
    assert [event["event_type"] for event in events_of(items)] == ["thinking", "message"]
    assert events_of(items)[0]["content"] == [{"type": "text", "text": "Plan\nI look first."}]


def test_session_without_a_prompt_is_left_out(chats: Path) -> None:
    """Each start over the Agent Client Protocol leaves one beside that of its conversation."""
    assert read_records(chats, user("m1", "<session_context>\nToday is Friday.")) == []


@pytest.mark.parametrize(
    ("status", "error"),
    [("success", None), ("error", "the tool failed"), ("cancelled", "cancelled")],
)
def test_status_of_a_call_decides_on_the_error(chats: Path, status: str, error: str | None) -> None:
    call = {"id": "c1", "name": "ls", "args": {"path": "."}, "status": status, "result": "a"}
    pre, post = events_of(read_records(chats, answer("m1", "", toolCalls=[call])))
    assert pre["tool_input"] == {"path": "."}
    assert post["tool_output"] == "a"
    assert post.get("error") == error


def test_call_that_runs_has_no_end_yet(chats: Path) -> None:
    call = {"id": "c1", "name": "ls", "args": {}, "status": "executing"}
    found = events_of(read_records(chats, answer("m1", "", toolCalls=[call])))
    assert [event["event_type"] for event in found] == ["pre_tool"]


def test_prompt_is_shown_as_it_was_typed(chats: Path) -> None:
    content = [{"text": "See @a.txt"}, {"text": "the whole file"}]
    message = user("m1", "", displayContent="See @a.txt")
    assert texts_of(read_records(chats, {**message, "content": content})) == ["See @a.txt"]


def test_error_of_the_agent_fails_the_turn(chats: Path) -> None:
    error = {"id": "m2", "timestamp": TIME, "type": "error", "content": "[API Error: 500]"}
    items = read_records(chats, user("m1", "A."), error)
    assert of_kind(items, TurnEnd) == [
        TurnEnd(session_id="s1", reason="failed", error="[API Error: 500]")
    ]


def test_document_of_an_older_version_is_read(chats: Path) -> None:
    path = chats / "session-1.json"
    document = {**HEADER, "summary": "Title", "messages": [user("m1", "A."), answer("m2", "B.")]}
    path.write_text(json.dumps(document, indent=2))
    items = read(path)
    check_items(items)
    assert texts_of(items) == ["A.", "B."]
    assert of_kind(items, SessionFacts)[0].title == Title(TitleRank.SUMMARY, "Title")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sessionId": "../x"}', "[" * 100_000])
def test_other_document_is_broken(chats: Path, content: str) -> None:
    path = chats / "session-1.json"
    path.write_text(content)
    with pytest.raises(BrokenRecordError):
        read(path)


def test_lines_replace_the_document_of_their_name(chats: Path) -> None:
    (chats / "session-1.json").write_text("{}")
    (chats / "session-2.json").write_text("{}")
    write(chats / "session-1.jsonl", HEADER)
    write(chats / "logs.jsonl", HEADER)
    root = chats.parents[1]
    names = sorted(source.path.name for source in FORMAT.find(root))
    assert names == ["session-1.jsonl", "session-2.json"]


def test_stamp_follows_the_file(chats: Path) -> None:
    path = write(chats / "session-1.jsonl", HEADER)
    root = chats.parents[1]
    (before,) = FORMAT.find(root)
    assert list(FORMAT.find(root)) == [before]
    write(path, HEADER, user("m1", "A."))
    (after,) = FORMAT.find(root)
    assert after.stamp != before.stamp


def test_subagent_is_a_session_with_a_parent(chats: Path) -> None:
    (chats / SESSION).mkdir()
    path = Path(shutil.copy(SUBAGENT, chats / SESSION))
    (chats.parent / ".project_root").write_text("/home/user/project")
    assert [source.path for source in FORMAT.find(chats.parents[1])] == [path]
    items = read(path)
    check_items(items)
    facts = of_kind(items, SessionFacts)[0]
    assert (facts.session_id, facts.parent_session_id) == (SUBAGENT.stem, SESSION)
    assert facts.project_dir == "/home/user/project"
    assert texts_of(items, origin="system") == ["Finish now."]
    assert "origin" not in events_of(items)[0]
    assert len(of_kind(items, ModelRequest)) == 2


@pytest.mark.parametrize("name", ["project", None])
def test_project_directory_comes_from_the_registry(chats: Path, name: str | None) -> None:
    directory = "/home/user/project"
    hashed = hashlib.sha256(directory.encode()).hexdigest()
    path = chats.parents[1] / (name or hashed) / "chats" / "session-1.jsonl"
    write(path, HEADER)
    registry = chats.parents[2] / "projects.json"
    registry.write_text(json.dumps({"projects": {"/home/other": "other", directory: "project"}}))
    assert of_kind(read(path), SessionFacts)[0].project_dir == directory


@pytest.mark.parametrize("registry", ["", "[]", '{"projects": 7}', '{"projects": {"/a": 7}}'])
def test_damaged_registry_leaves_the_directory_unknown(chats: Path, registry: str) -> None:
    (chats.parents[2] / "projects.json").write_text(registry)
    path = write(chats / "session-1.jsonl", HEADER)
    assert of_kind(read(path), SessionFacts)[0].project_dir is None


def test_links_out_of_the_root_are_not_followed(chats: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside.jsonl", HEADER)
    (chats / "session-1.jsonl").symlink_to(outside)
    (chats.parent / ".project_root").symlink_to(outside)
    assert list(FORMAT.find(chats.parents[1])) == []
    path = write(chats / "session-2.jsonl", HEADER)
    assert of_kind(read(path), SessionFacts)[0].project_dir is None


def test_broken_lines_do_not_hide_the_others(chats: Path) -> None:
    path = chats / "session-1.jsonl"
    lines = [json.dumps(HEADER), "{", "7", '{"type": "user"}', json.dumps(user("m1", "A."))]
    path.write_text("\n".join([*lines, '{"type": "hologram", "id": "x"}', '{"new": 1}', ""]))
    items = read(path)
    assert [item.place for item in of_kind(items, BrokenRecord)] == ["line 2", "line 3", "line 4"]
    assert of_kind(items, UnknownRecord) == [
        UnknownRecord(kind="message hologram"),
        UnknownRecord(kind="record new"),
    ]
    assert texts_of(items) == ["A."]


keys = ["id", "type", "content", "displayContent", "toolCalls", "thoughts", "tokens", "timestamp"]
keys += ["name", "args", "result", "status", "functionResponse", "response", "output", "error"]
keys += ["$set", "$rewindTo", "messages", "sessionId", "summary", "text", "thought", "input"]
words = ["user", "gemini", "error", "info", "m1", "s1", "success", "ls", TIME]
anything = st.recursive(
    st.none() | st.booleans() | st.sampled_from([*words, 10**400, -1, 7, "\ud800"]) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(keys), inner | st.sampled_from(words), max_size=8)
    ),
    max_leaves=25,
)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(records=st.lists(anything, max_size=5))
def test_any_records_raise_nothing_else(chats: Path, records: list[Any]) -> None:
    items = read_records(chats, *records, HEADER, user("last", "Still here."))
    check_items(items)
    assert "Still here." in texts_of(items)


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(messages=anything)
def test_any_document_raises_nothing_else(chats: Path, messages: Any) -> None:
    path = chats / "session-any.json"
    path.write_text(json.dumps({**HEADER, "messages": messages}))
    check_items(read(path))
