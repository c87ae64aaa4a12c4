from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from agent_orchestrator.history.format import Place
from agent_orchestrator.history.formats.codex import FORMAT
from agent_orchestrator.history.formats.codex.memory import MAX_OPEN_CALLS
from agent_orchestrator.history.items import (
    Item,
    ModelRequest,
    SessionFacts,
    Title,
    TitleRank,
    TurnEnd,
    UnknownRecord,
)
from tests.support.codex_rollouts import (
    NAMES,
    THREAD,
    TURN,
    ends,
    events,
    lines,
    read,
    reply,
    requests,
    session_meta,
    shape,
    source,
    tokens,
)


def test_roots_follow_codex_home() -> None:
    home = Path("/home/me")
    assert FORMAT.roots(home, {}) == [
        home / ".codex/sessions",
        home / ".codex/archived_sessions",
    ]
    assert FORMAT.roots(home, {"CODEX_HOME": "/codex"})[0] == Path("/codex/sessions")


def test_find_prefers_the_plain_file(tmp_path: Path) -> None:
    name = f"rollout-2026-11-27T16-27-50-{THREAD}"
    day = tmp_path / "2026/11/27"
    day.mkdir(parents=True)
    for file in (
        f"{name}.jsonl",
        f"{name}.jsonl.zst",
        f"{name}_{TURN}.jsonl",
        f"{name.replace('T16', 'T17')}.jsonl.zst",
        f"{name}.jsonl.tmp",
        "session_index.jsonl",
    ):
        (day / file).touch()
    found = sorted(source.path.name for source in FORMAT.find(tmp_path))
    assert found == [
        f"{name}.jsonl",
        f"{name}_{TURN}.jsonl",
        f"{name.replace('T16', 'T17')}.jsonl.zst",
    ]


def test_find_skips_links_out_of_the_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    name = f"rollout-2026-11-27T16-27-50-{THREAD}.jsonl"
    (outside / name).touch()
    (root / name).symlink_to(outside / name)
    (root / "day").symlink_to(outside)
    loop = root / name.replace("50-", "51-")
    loop.symlink_to(loop)
    assert list(FORMAT.find(root)) == []
    assert list(FORMAT.find(tmp_path / "missing")) == []


def test_thread_becomes_events_in_order() -> None:
    items = read(lines("thread"))
    assert [shape(found) for found in events(items)] == [
        "message user system <environment_context>|Words of Codex.|</environment_context>",
        "message user Say hello.",
        "thinking A greeting.",
        "message assistant Hello there.",
        "message user Run it.",
        "pre_tool exec_command",
        "post_tool exec_command",
        "message assistant It failed.",
        "message user Patch it.",
        "pre_tool exec_command",
        "post_tool exec_command",
        "message assistant Patched.",
        "message user Wait.",
        "pre_tool exec_command",
        "post_tool exec_command",
        "message user system <turn_aborted>|Words of Codex.|</turn_aborted>",
        "message user Back.",
        "message assistant In the first.",
        "message user Once more.",
        "message assistant After the rollback.",
        "message user Resumed.",
        "message assistant After a resume.",
        "message assistant (script exhausted at step 1)",
        "message user compaction Summary of the conversation so far.",
        "message user After.",
        "message assistant After the compaction.",
        "message user Err.",
    ]


def test_thread_has_facts_before_its_events() -> None:
    items = read(lines("thread"))
    assert items[0] == SessionFacts(
        session_id=THREAD, project_dir="/home/me/project", agent_version="0.163.0"
    )
    assert [item for item in items[1:] if isinstance(item, SessionFacts)] == [
        SessionFacts(session_id=THREAD, title=Title(TitleRank.PROMPT, "Say hello."))
    ]


def test_turns_end_as_codex_says() -> None:
    stopped_at, failed_at = 3, -1
    items = read(lines("thread"))
    assert ends(items) == [
        *["completed"] * stopped_at,
        "stopped",
        *["completed"] * 4,
        "failed",
    ]
    end = [item for item in items if isinstance(item, TurnEnd)][failed_at]
    assert end.error == '{"error":{"message":"bad model","type":"server_error","code":null}}'


def test_failed_commands_have_an_error() -> None:
    found = [found for found in events(read(lines("thread"))) if found["event_type"] == "post_tool"]
    assert [call.get("error") for call in found] == ["exit code 3", None, "aborted by user"]


def test_tool_call_has_the_ids_of_the_call() -> None:
    before, after = (
        found
        for found in events(read(lines("thread")))
        if found.get("tool_use_id") == "call_4e8fbe03e378"
    )
    assert before == {
        "event_type": "pre_tool",
        "event_id": "call_4e8fbe03e378:pre",
        "timestamp": "2026-11-27T16:27:51.037Z",
        "tool_name": "exec_command",
        "tool_input": {"cmd": "echo hi; exit 3"},
        "tool_use_id": "call_4e8fbe03e378",
    }
    assert after["event_id"] == "call_4e8fbe03e378:post"
    assert after["tool_output"].endswith(
        "Process exited with code 3\nOriginal token count: 1\nOutput:\nhi\n"
    )


def test_usage_records_count_each_response_once() -> None:
    found = requests(read(lines("thread")))
    assert found[0] == ModelRequest(
        session_id=THREAD,
        key="codex:resp_fake_fb55c1afabf54f70",
        counts={
            "input_tokens": 1000,
            "cache_read_tokens": 2000,
            "cache_creation_tokens": 0,
            "output_tokens": 42,
            "reasoning_tokens": 5,
        },
        occurred_at="2026-11-27T16:27:51.004Z",
        model="gpt-5.5",
        provider="fake",
    )
    assert (len(found), tokens(found)) == (11, 33462)


@pytest.mark.parametrize("name", NAMES)
def test_sample_has_no_unknown_records(name: str) -> None:
    assert [item for item in read(lines(name)) if isinstance(item, UnknownRecord)] == []


@pytest.mark.parametrize("name", NAMES)
def test_event_ids_of_a_sample_are_unique(name: str) -> None:
    counted = Counter(found["event_id"] for found in events(read(lines(name))))
    assert [event_id for event_id, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("name", NAMES)
def test_parser_continues_after_any_line(name: str) -> None:
    records = lines(name)
    whole = read(records)
    parser, items = FORMAT.parser(source(), None), list[Item]()
    for number, line in enumerate(records, 1):
        state = json.loads(json.dumps(parser.state))
        parser = FORMAT.parser(source(), state)
        items += parser.read(line, Place(number, 0))
    assert items == whole


def test_parser_does_not_change_the_given_state() -> None:
    first = FORMAT.parser(source(), None)
    list(first.read(session_meta(), Place(1, 0)))
    state = first.state
    before = json.dumps(state)
    call = reply("function_call", name="shell", call_id="c1", arguments="{}")
    list(FORMAT.parser(source(), state).read(call, Place(2, 0)))
    assert json.dumps(state) == before


def test_state_does_not_grow_with_open_calls() -> None:
    calls = [
        reply("function_call", name="shell", call_id=f"c{number}", arguments="{}")
        for number in range(MAX_OPEN_CALLS * 3)
    ]
    parser = FORMAT.parser(source(), None)
    for number, line in enumerate([session_meta(), *calls], 1):
        list(parser.read(line, Place(number, 0)))
    assert len(parser.state["calls"]) == MAX_OPEN_CALLS
