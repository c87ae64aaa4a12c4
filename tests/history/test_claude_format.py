"""Transcripts of Claude Code. The samples were written by version 2.1.330, and shortened."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from agent_orchestrator.history.format import Source, TranscriptPart
from agent_orchestrator.history.formats.claude import FORMAT
from agent_orchestrator.history.items import (
    FoundEvent,
    Item,
    ModelRequest,
    SessionFacts,
    Title,
    TitleRank,
    TurnEnd,
    UnknownRecord,
)
from tests.support.claude_lines import (
    PROJECT,
    SAMPLES,
    SESSION,
    answer,
    call,
    message,
    read_file,
    read_records,
    result,
    sample,
    text,
    written,
)
from tests.support.found_items import check_items, events_of, of_kind, texts_of
from tests.support.rows import each_row

TURN = "d6204a6e-0bb2-4d83-b521-94918b03d258"
WITH_SUBAGENT = "5a45b64f-b332-4ac6-bb98-82bcfe20277b"
COMPACTED = "cca16f01-3d8d-4e77-b6ff-4ced28f7e801"
FAILED = "65d56c8f-a4da-4d25-b6ee-7c7ac7030383"
STOPPED = "c558c776-625c-43bb-879e-2aa66d5c3f83"
INTERRUPTED = "d859bd01-3615-4712-ad97-00350f226188"
QUEUED = "ef9d3dda-09ac-4743-bc57-af00455f8b07"
CLEARED = "2e048316-0e9e-4112-9c93-1dbbc24a0367"


def read(session_id: str) -> list[Item]:
    return read_file(sample(session_id))


def types_of(items: list[Item]) -> list[str]:
    return [event["event_type"] for event in events_of(items)]


def ends_of(items: list[Item]) -> list[str]:
    return [end.reason for end in of_kind(items, TurnEnd)]


def titles_of(items: list[Item]) -> list[Title]:
    return [fact.title for fact in of_kind(items, SessionFacts) if fact.title is not None]


def test_roots_are_both_places_of_the_configuration(tmp_path: Path) -> None:
    assert FORMAT.roots(tmp_path, {}) == [
        tmp_path / ".claude" / "projects",
        tmp_path / ".config" / "claude" / "projects",
    ]
    assert FORMAT.roots(tmp_path, {"CLAUDE_CONFIG_DIR": "/data"})[0] == Path("/data/projects")


def test_only_transcripts_inside_the_root_are_found(tmp_path: Path) -> None:
    root, outside = tmp_path / "projects", tmp_path / "outside"
    shutil.copytree(SAMPLES, root)
    expected = {source.path for source in FORMAT.find(root)}
    written(outside, [], name="secret.jsonl")
    for name in (f"{SESSION}.jsonl", "agent-1.jsonl"):
        (root / PROJECT / name).symlink_to(outside / PROJECT / "secret.jsonl")
    (root / "-linked").symlink_to(outside / PROJECT)
    for name in ("notes.jsonl", f"{SESSION}.jsonl.bak", f"{SESSION}/subagents/journal.jsonl"):
        written(root, [], name=name)
    (root / PROJECT / f"{SESSION[:-1]}e.jsonl").mkdir()
    assert {source.path for source in FORMAT.find(root)} == expected
    assert len(expected) == 14
    assert len([path for path in expected if path.name.startswith("agent-")]) == 2


def test_turn_is_read_in_order() -> None:
    items = read(TURN)
    check_items(items)
    expected = ["message", "thinking", "message", "pre_tool", "post_tool", "message"]
    assert types_of(items) == expected
    prompt, thinking, _, pre_tool, post_tool, _ = events_of(items)
    assert (prompt["role"], "origin" in prompt) == ("user", False)
    assert thinking["content"] == [text("hmm")]
    assert texts_of(items, role="assistant") == ["let me see", "done"]
    assert (pre_tool["tool_name"], pre_tool["tool_input"]) == ("Bash", {"command": "echo hi"})
    assert (post_tool["tool_name"], post_tool["tool_output"]) == ("Bash", "hi")
    assert pre_tool["tool_use_id"] == post_tool["tool_use_id"]
    assert ends_of(items) == ["completed"]
    assert not of_kind(items, UnknownRecord)


@each_row("session_id", [path.stem for path in SAMPLES.glob("*/*.jsonl")])
def test_samples_keep_the_promises_of_items(session_id: str) -> None:
    items = read(session_id)
    check_items(items)
    first = of_kind(items, SessionFacts)[0]
    assert isinstance(items[0], SessionFacts)
    assert {fact.project_dir for fact in of_kind(items, SessionFacts)} >= {"/home/user/project"}
    assert {fact.agent_version for fact in of_kind(items, SessionFacts)} >= {"2.1.330"}
    assert first.session_id == session_id
    assert not of_kind(items, UnknownRecord)
    ids = [event["event_id"] for event in events_of(items)]
    assert len(ids) == len(set(ids))


def test_subagent_belongs_to_the_call_that_started_it() -> None:
    (path,) = sample(WITH_SUBAGENT).with_suffix("").glob("subagents/*.jsonl")
    items, main = read_file(path), read(WITH_SUBAGENT)
    check_items(items)
    (started,) = [event for event in events_of(main) if event["event_type"] == "pre_tool"]
    assert {item.session_id for item in of_kind(items, FoundEvent)} == {WITH_SUBAGENT}
    assert {e["parent_tool_use_id"] for e in events_of(items)} == {started["tool_use_id"]}
    assert types_of(items) == ["pre_tool", "post_tool", "message"]
    assert texts_of(items) == ["found it"]
    assert len({request.key for request in of_kind(items, ModelRequest)}) == 2
    assert not of_kind(items, TurnEnd)
    assert not of_kind(items, SessionFacts)
    assert all("parent_tool_use_id" not in event for event in events_of(main))


@each_row(
    "meta", [None, "", "[]", "{", '{"toolUseId": 5}', json.dumps({"toolUseId": "x" * 500})], ids=str
)
def test_subagent_without_a_known_call_has_its_own_lane(tmp_path: Path, meta: str | None) -> None:
    name = f"{SESSION}/subagents/workflows/wf_1/agent-a1.jsonl"
    path = written(tmp_path, [answer("a", text("found"), isSidechain=True)], name=name)
    if meta is not None:
        path.with_name("agent-a1.meta.json").write_text(meta)
    (event,) = events_of(read_file(path, tmp_path))
    assert event["parent_tool_use_id"] == "agent-a1"


def test_meta_file_outside_the_root_is_not_read(tmp_path: Path) -> None:
    root = tmp_path / "projects"
    path = written(root, [answer("a", text("x"))], name=f"{SESSION}/subagents/agent-a1.jsonl")
    outside = tmp_path / "meta.json"
    outside.write_text('{"toolUseId": "toolu_1"}')
    path.with_name("agent-a1.meta.json").symlink_to(outside)
    (event,) = events_of(read_file(path, root))
    assert event["parent_tool_use_id"] == "agent-a1"


def test_older_subagent_beside_the_session_names_it(tmp_path: Path) -> None:
    lines = [
        message("user", "u", "look", isSidechain=True, agentId="a1"),
        answer("a", text("found"), isSidechain=True, agentId="a1"),
    ]
    items = read_file(written(tmp_path, lines, name="agent-a1.jsonl"), tmp_path)
    assert texts_of(items, parent_tool_use_id="agent-a1") == ["found"]
    assert {item.session_id for item in of_kind(items, FoundEvent)} == {SESSION}


def test_older_sidechain_belongs_to_its_call(tmp_path: Path) -> None:
    items = read_records(
        tmp_path,
        message("user", "u1", "begin"),
        answer("a1", call("toolu_1", "Task", prompt="look")),
        message("user", "u2", "look", isSidechain=True),
        answer("a2", call("toolu_2", "Bash"), isSidechain=True),
        result("u3", "toolu_2", "hi", isSidechain=True),
        answer("a3", text("found"), isSidechain=True, of={"stop_reason": "end_turn"}),
        result("u4", "toolu_1", "found"),
    )
    parents = [event.get("parent_tool_use_id") for event in events_of(items)]
    assert parents == [None, None, "toolu_1", "toolu_1", "toolu_1", None]
    assert texts_of(items, role="user") == ["begin"]
    assert ends_of(items) == []


def test_compaction_has_its_command_summary_and_output() -> None:
    items = read(COMPACTED)
    users = [event for event in events_of(items) if event.get("role") == "user"]
    assert [event.get("origin") for event in users] == [None, "compaction", None, "command"]
    assert texts_of(items, role="user")[2] == "/compact"
    # A person typed the command, so its id is the line's own, as for other prompts.
    assert [event["event_id"].endswith(":0") for event in users] == [False, True, False, True]
    assert ends_of(items) == ["completed", "completed"]
    assert titles_of(items)[-1].text.startswith("SCRIPT")


def test_api_error_is_a_diagnostic_and_no_request() -> None:
    items = read(FAILED)
    assert types_of(items)[-1] == "diagnostic"
    assert "this was too much" in events_of(items)[-1]["content"][0]["text"]
    assert texts_of(items, role="assistant") == ["one"]
    assert len({request.key for request in of_kind(items, ModelRequest)}) == 1
    end = of_kind(items, TurnEnd)[-1]
    assert (end.reason, end.error) == ("failed", "API Error: 400 this was too much")


def test_stopped_answer_is_marked_as_cut() -> None:
    items = read(STOPPED)
    assert [request.is_cut for request in of_kind(items, ModelRequest)].count(True) == 1
    assert "stopped" in ends_of(items)


@each_row(
    "stop_reason, fields, expected",
    [
        ("end_turn", {}, ["completed"]),
        ("tool_use", {}, []),
        (None, {}, ["completed"]),
        (None, {"isAbortedMidStream": True}, []),
        ([], {}, ["completed"]),
    ],
)
def test_end_of_a_turn(tmp_path: Path, stop_reason: Any, fields: Any, expected: list[str]) -> None:
    """Older versions do not write the reason for which the model stopped."""
    line = answer("a1", text("Done."), of={"stop_reason": stop_reason}, **fields)
    assert ends_of(read_records(tmp_path, line)) == expected


def test_interrupted_call_has_an_error() -> None:
    items = read(INTERRUPTED)
    assert events_of(items)[-2]["error"]
    assert (events_of(items)[-1]["role"], events_of(items)[-1]["origin"]) == ("user", "system")
    assert ends_of(items) == ["stopped"]


def test_message_typed_during_a_turn_is_a_prompt() -> None:
    items = read(QUEUED)
    assert texts_of(items, role="user")[1] == "Leave the logout test alone."
    queued = [e for e in events_of(items) if e.get("role") == "user"][1]
    lines = sample(QUEUED).read_text().splitlines()
    line = next(line for line in lines if '"queued_command"' in line)
    assert queued["event_id"] == json.loads(line)["attachment"]["source_uuid"]
    assert "origin" not in queued


@each_row(
    "attachment, expected",
    [
        ({"commandMode": "task-notification", "prompt": "<task-notification>"}, []),
        ({"commandMode": "prompt", "prompt": [text("Hello")]}, [(None, "queued:")]),
        ({"prompt": "<system-reminder>x</system-reminder>"}, [("system", "queued:")]),
        ({"prompt": 5}, []),
    ],
)
def test_queued_commands_of_older_versions(
    tmp_path: Path, attachment: Any, expected: list[Any]
) -> None:
    line = {
        "type": "attachment",
        "timestamp": "2026-11-27T10:00:00.000Z",
        "attachment": {"type": "queued_command", **attachment},
    }
    events = events_of(read_records(tmp_path, line))
    assert [(event.get("origin"), event["event_id"][:7]) for event in events] == expected


def test_clear_is_a_command_of_its_own_session() -> None:
    items = read(CLEARED)
    assert "/clear" in texts_of(items, role="user")
    assert titles_of(items)[-1].text != "/clear"
    assert ends_of(items)[0] == "completed"


def test_lines_belong_to_the_transcript_of_their_session() -> None:
    def part(path: Path) -> TranscriptPart | None:
        return FORMAT.transcript_of(Source(path=path, root=SAMPLES))

    folder = SAMPLES / PROJECT
    assert part(folder / f"{SESSION}.jsonl") == TranscriptPart(SESSION)
    nested = "subagents/workflows/wf_1/agent-a1"
    assert part(folder / SESSION / f"{nested}.jsonl") == TranscriptPart(SESSION, nested)
    assert part(folder / "agent-a1.jsonl") is None
    (path,) = sample(WITH_SUBAGENT).with_suffix("").glob("subagents/*.jsonl")
    found = part(path)
    assert found is not None
    assert found.metadata is not None
    assert (found.metadata["type"], found.metadata["spawnDepth"]) == ("agent_metadata", 1)


@each_row(
    "content, expected",
    [
        (
            "<command-name>/model</command-name>\n<command-args>opus 5</command-args>",
            "/model opus 5",
        ),
        ("<command-message>x</command-message>\n<command-name>/x:y</command-name>", "/x:y"),
        ([text("<ide_opened_file>a.py</ide_opened_file>"), text("Fix it.")], "Fix it."),
        ([text("Look."), text("<system-reminder>\nx\n</system-reminder>")], "Look."),
        ("I wrote <command-name>/x</command-name> here", None),
    ],
)
def test_words_of_a_person_are_a_prompt(tmp_path: Path, content: Any, expected: str | None) -> None:
    (event,) = events_of(read_records(tmp_path, message("user", "u", content)))
    assert "origin" not in event
    assert event["event_id"] == "u"
    assert event["content"] == [text(expected or content)]


@each_row(
    "fields, content, origin",
    [
        ({"isMeta": True}, "Stop hook feedback: no", "system"),
        ({"isMeta": True, "turnCompanion": True, "sourceToolUseID": "t"}, "a skill", "system"),
        ({}, "<local-command-stdout>x</local-command-stdout>", "command"),
        ({}, "<bash-input>ls</bash-input>", "command"),
        ({}, "<ide_selection>x</ide_selection>", "system"),
        ({"origin": {"kind": "coordinator"}}, "work", "coordinator"),
        ({"isCompactSummary": True}, "the summary", "compaction"),
    ],
)
def test_other_texts_have_an_origin(tmp_path: Path, fields: Any, content: str, origin: str) -> None:
    items = read_records(tmp_path, message("user", "u", content, **fields))
    (event,) = events_of(items)
    assert (event["origin"], event["event_id"]) == (origin, "u:0")
    assert not titles_of(items)


@each_row(
    "fields, content",
    [
        ({"origin": {"kind": "task-notification"}}, "<task-notification>x</task-notification>"),
        ({"isMeta": True}, "<local-command-caveat>x</local-command-caveat>"),
        ({"isMeta": True, "turnCompanion": True}, "the text of a command"),
        ({}, ""),
        ({}, []),
    ],
)
def test_notes_to_the_model_are_left_out(tmp_path: Path, fields: Any, content: Any) -> None:
    assert not events_of(read_records(tmp_path, message("user", "u", content, **fields)))


def test_filler_after_an_interruption_is_no_answer(tmp_path: Path) -> None:
    line = answer("a", text("No response requested."), of={"model": "<synthetic>"})
    assert not of_kind(read_records(tmp_path, line), FoundEvent)


def test_bytes_of_images_in_prompts_are_left_out(tmp_path: Path) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    content = [{"type": "image", "source": source}, text("Look.")]
    (event,) = events_of(read_records(tmp_path, message("user", "u", content)))
    assert event["content"] == [{"type": "image", "media_type": "image/png"}, text("Look.")]


def test_title_of_the_highest_rank_stays(tmp_path: Path) -> None:
    lines: list[Any] = [
        message("user", "u1", "\n  First words.\nMore."),
        message("user", "u2", "Second prompt."),
        {"type": "summary", "summary": "Its own summary", "leafUuid": "u2"},
        {"type": "ai-title", "aiTitle": "Made", "sessionId": SESSION},
        {"type": "custom-title", "customTitle": "Chosen", "sessionId": SESSION},
        {"type": "ai-title", "aiTitle": "Made again", "sessionId": SESSION},
        {"type": "custom-title", "customTitle": "Chosen again", "sessionId": SESSION},
        {"type": "custom-title", "customTitle": "", "sessionId": SESSION},
    ]
    assert titles_of(read_records(tmp_path, *lines)) == [
        Title(TitleRank.PROMPT, "First words."),
        Title(TitleRank.SUMMARY, "Its own summary"),
        Title(TitleRank.GENERATED, "Made"),
        Title(TitleRank.CHOSEN, "Chosen"),
        Title(TitleRank.CHOSEN, "Chosen again"),
    ]


def test_summary_of_another_session_is_not_a_title(tmp_path: Path) -> None:
    summaries = [
        {"type": "summary", "summary": "Of another", "leafUuid": "elsewhere"},
        {"type": "summary", "summary": "Its own summary", "leafUuid": "u1"},
    ]
    items = read_records(tmp_path, *summaries, message("user", "u1", "Prompt."))
    assert [title.text for title in titles_of(items)] == ["Its own summary"]


def test_unknown_types_are_counted_by_name(tmp_path: Path) -> None:
    items = read_records(tmp_path, {"type": "hologram"}, {"type": "x" * 500}, {"type": "mode"})
    assert [item.kind for item in of_kind(items, UnknownRecord)] == ["hologram", "x" * 100]
