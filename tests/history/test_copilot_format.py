"""Copilot CLI's lines of events, and the three places in which its usage can stand."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_orchestrator.history.format import Source
from agent_orchestrator.history.formats import read_only
from agent_orchestrator.history.formats.copilot import FORMAT
from agent_orchestrator.history.items import (
    BrokenRecord,
    BrokenRecordError,
    Item,
    ModelRequest,
    SessionFacts,
    Title,
    TitleRank,
    TurnEnd,
    UnknownRecord,
)
from tests.support.found_items import check_items, events_of, of_kind, texts_of, total

SAMPLES = Path(__file__).parent / "samples" / "copilot"
SESSION = "b8d8670a-2185-4a5d-a71f-620ad7057f35"
WITH_SUBAGENT = "c254a657-6cd6-4fa9-85ff-fa3aed722ed0"
TIME = "2026-11-27T10:00:00.000Z"
FIVE_REQUESTS = {
    "input_tokens": 5000,
    "output_tokens": 210,
    "cache_read_tokens": 10000,
    "cache_creation_tokens": 0,
    "reasoning_tokens": 0,
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the directory of Copilot with the sample in it."""
    session = tmp_path / "session-state" / SESSION
    session.mkdir(parents=True)
    for name in ("events.jsonl", "workspace.yaml"):
        shutil.copy(SAMPLES / name, session)
    with closing(sqlite3.connect(tmp_path / "session-store.db")) as database:
        database.executescript((SAMPLES / "session-store.sql").read_text())
    return tmp_path


def events_file(home: Path, session_id: str = SESSION) -> Path:
    return home / "session-state" / session_id / "events.jsonl"


def read(home: Path, session_id: str = SESSION) -> list[Item]:
    return list(FORMAT.read(Source(path=events_file(home, session_id), root=home)))


def keep(home: Path, *, without: str) -> None:
    """Leave the records of one type out of the sample."""
    path = events_file(home)
    lines = path.read_text().splitlines()
    path.write_text("".join(f"{line}\n" for line in lines if json.loads(line)["type"] != without))


def record(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data, "timestamp": TIME}


def read_records(home: Path, *records: Any) -> list[Item]:
    path = events_file(home, "s1")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(each)}\n" for each in records))
    return read(home, "s1")


def shutdown(**models: tuple[int, int]) -> dict[str, Any]:
    metrics = {
        model: {"usage": {"inputTokens": tokens, "outputTokens": output, "cacheReadTokens": 0}}
        for model, (tokens, output) in models.items()
    }
    return record("session.shutdown", modelMetrics=metrics, totalNanoAiu=5)


def test_root_is_the_directory_of_copilot(tmp_path: Path) -> None:
    assert FORMAT.roots(tmp_path, {}) == [tmp_path / ".copilot"]
    assert FORMAT.roots(tmp_path, {"COPILOT_HOME": "/data"}) == [Path("/data")]


def test_sample_is_read_in_order(home: Path) -> None:
    items = read(home)
    check_items(items)
    said = ["Run it.", "I run it.", "Next.", "All done.", "Second prompt.", "Second answer."]
    assert texts_of(items) == said
    assert texts_of(items, role="user") == ["Run it.", "Second prompt."]
    assert not [event for event in events_of(items) if "origin" in event]
    assert [end.reason for end in of_kind(items, TurnEnd)] == ["completed", "completed"]
    assert not of_kind(items, BrokenRecord) + of_kind(items, UnknownRecord)
    calls = [event for event in events_of(items) if event["event_type"] == "post_tool"]
    assert [call["tool_name"] for call in calls] == ["bash", "bash", "view"]
    assert [call.get("error") for call in calls] == [None, "exit code 2", "Permission denied."]
    assert calls[0]["tool_output"].startswith("hi-from-tool\n")


def test_sample_read_twice_gives_the_same_items(home: Path) -> None:
    assert read(home) == read(home)


def test_facts_come_before_the_events(home: Path) -> None:
    facts = of_kind(read(home), SessionFacts)
    assert facts[0].title == Title(TitleRank.GENERATED, "Run it.")
    assert (facts[1].project_dir, facts[1].agent_version) == ("/home/user/project", "1.0.102")


@pytest.mark.parametrize(
    ("name", "title"),
    [("Mine", "Mine"), ('"a: b"', "a: b"), ("'it''s'", "it's"), ("|-", None), ('"', None)],
)
def test_name_of_a_person_is_the_title(home: Path, name: str, title: str | None) -> None:
    workspace = events_file(home).with_name("workspace.yaml")
    workspace.write_text(f"name: {name}\nuser_named: true\n")
    rank, text = (TitleRank.CHOSEN, title) if title else (TitleRank.PROMPT, "Run it.")
    titles = [facts.title for facts in of_kind(read(home), SessionFacts) if facts.title]
    assert titles == [Title(rank, text)]


def test_request_in_two_places_counts_once(home: Path) -> None:
    requests = of_kind(read(home), ModelRequest)
    assert len(requests) == 5
    assert requests[0].key == f"copilot:{SESSION}:chatcmpl-18e3c62a41"
    assert requests[0].model == "example-model"
    assert {request.cost_nanodollars for request in requests} == {None}
    assert total(requests) == FIVE_REQUESTS


def test_usage_of_an_older_version_is_in_the_database(home: Path) -> None:
    keep(home, without="session.usage_record")
    requests = of_kind(read(home), ModelRequest)
    assert [request.key for request in requests] == [
        f"copilot:{SESSION}:row:{number}" for number in range(1, 6)
    ]
    assert requests[0].occurred_at == "2026-11-27T16:29:35.255Z"
    assert total(requests) == FIVE_REQUESTS


def test_usage_across_an_upgrade_is_counted_once(home: Path) -> None:
    path = events_file(home)
    lines = path.read_text().splitlines()
    records = [line for line in lines if "session.usage_record" in line]
    path.write_text("".join(f"{line}\n" for line in lines if line not in records[:2]))
    requests = of_kind(read(home), ModelRequest)
    assert [":row:" in request.key for request in requests] == [True, True, False, False, False]
    assert total(requests)["output_tokens"] == 210


def test_usage_without_both_is_in_the_shutdowns(home: Path) -> None:
    keep(home, without="session.usage_record")
    (home / "session-store.db").unlink()
    requests = of_kind(read(home), ModelRequest)
    assert [request.counts["output_tokens"] for request in requests] == [168, 42]
    assert total(requests) == FIVE_REQUESTS


def test_sums_begin_again_after_a_compaction(tmp_path: Path) -> None:
    items = read_records(
        tmp_path,
        shutdown(a=(100, 10)),
        shutdown(a=(150, 12), b=(7, 1)),
        shutdown(a=(20, 3), b=(7, 1)),
    )
    counts = total(of_kind(items, ModelRequest))
    assert (counts["input_tokens"], counts["output_tokens"]) == (100 + 50 + 7 + 20, 10 + 2 + 1 + 3)


def test_request_of_another_session_is_inherited(tmp_path: Path) -> None:
    accounting = {"sourceSessionId": "s0", "usageId": "u1"}
    usage = {"model": "m", "inputTokens": 5, "accounting": accounting}
    items = read_records(tmp_path, record("session.usage_record", usage=usage))
    (request,) = of_kind(items, ModelRequest)
    assert (request.key, request.is_inherited) == ("copilot:s0:u1", True)


def test_requests_of_a_subagent_count_for_its_session(tmp_path: Path) -> None:
    path = events_file(tmp_path, WITH_SUBAGENT)
    path.parent.mkdir(parents=True)
    shutil.copy(SAMPLES / "subagent.jsonl", path)
    items = read(tmp_path, WITH_SUBAGENT)
    check_items(items)
    assert not of_kind(items, BrokenRecord) + of_kind(items, UnknownRecord)
    requests = of_kind(items, ModelRequest)
    assert [request.is_inherited for request in requests] == [False, False, False]
    assert texts_of(items, parent_tool_use_id="call_fb76f5715d90") == ["Nothing found."]
    assert [end.reason for end in of_kind(items, TurnEnd)] == ["completed"]


def test_records_without_ids_have_the_ids_of_their_lines(tmp_path: Path) -> None:
    items = read_records(tmp_path, record("user.message", content="A."))
    assert events_of(items)[0]["event_id"] == "line-1"


def test_injected_text_has_an_origin(tmp_path: Path) -> None:
    items = read_records(
        tmp_path,
        record("user.message", content="Typed.", source="user"),
        record("user.message", content="Injected.", source="skill-x"),
        record("system.notification", content="Noted."),
        record("session.compaction_complete", success=True, summaryContent="So far."),
    )
    assert texts_of(items, origin="system") == ["Injected.", "Noted."]
    assert texts_of(items, origin="compaction") == ["So far."]
    assert "origin" not in events_of(items)[0]


def test_events_of_a_subagent_name_its_call(tmp_path: Path) -> None:
    items = read_records(
        tmp_path,
        {**record("subagent.started", toolCallId="c1"), "agentId": "a1"},
        {**record("user.message", content="The prompt."), "agentId": "a1"},
        {**record("assistant.message", content="Found."), "agentId": "a1"},
        {**record("assistant.turn_end", turnId="0"), "agentId": "a1"},
        record("assistant.message", content="Seen.", parentToolCallId="c2"),
        record("assistant.message", content="Done."),
    )
    parents = [event.get("parent_tool_use_id") for event in events_of(items)]
    assert texts_of(items) == ["Found.", "Seen.", "Done."]
    assert parents == ["c1", "c2", None]
    assert of_kind(items, TurnEnd) == []


def test_reasoning_comes_before_the_answer(tmp_path: Path) -> None:
    items = read_records(
        tmp_path, record("assistant.message", content="A.", reasoningText="I look.")
    )
    assert [event["event_type"] for event in events_of(items)] == ["thinking", "message"]


@pytest.mark.parametrize(
    ("last", "reason", "error"),
    [
        (record("abort", reason="user initiated"), "stopped", "user initiated"),
        (record("session.error", message="400"), "failed", "400"),
    ],
)
def test_turn_can_end_early(tmp_path: Path, last: dict[str, Any], reason: str, error: str) -> None:
    calls = [{"toolCallId": "c1"}]
    answer = record("assistant.message", content="A.", toolRequests=calls)
    end = record("assistant.turn_end", turnId="0")
    items = read_records(tmp_path, record("assistant.turn_start"), answer, end, last, end)
    assert [(item.reason, item.error) for item in of_kind(items, TurnEnd)] == [(reason, error)]


def test_stamp_follows_lines_usage_and_name(home: Path) -> None:
    def stamp() -> str | None:
        (source,) = FORMAT.find(home)
        assert source.key == SESSION
        return source.stamp

    seen = {stamp()}
    assert stamp() in seen
    with events_file(home).open("a") as file:
        file.write(f"{json.dumps(record('session.info'))}\n")
    seen.add(stamp())
    with closing(sqlite3.connect(home / "session-store.db")) as database, database:
        database.execute(
            "INSERT INTO assistant_usage_events (session_id, model) VALUES (?, 'm')", (SESSION,)
        )
    seen.add(stamp())
    events_file(home).with_name("workspace.yaml").write_text("name: Other\n")
    seen.add(stamp())
    assert len(seen) == 4


def test_locked_database_is_an_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_only, "BUSY_SECONDS", 0.0)
    with closing(sqlite3.connect(home / "session-store.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OSError, match=r"session-store\.db"):
            list(FORMAT.find(home))
        with pytest.raises(OSError, match="locked"):
            read(home)


def test_database_without_usage_is_harmless(home: Path) -> None:
    (home / "session-store.db").write_bytes(b"")
    assert len(list(FORMAT.find(home))) == 1
    assert len(of_kind(read(home), ModelRequest)) == 5


def test_only_directories_of_sessions_are_found(home: Path) -> None:
    for name in (".locks", "a b", "empty"):
        (home / "session-state" / name).mkdir()
    for name in (".locks", "a b"):
        events_file(home, name).write_text("")
    outside = home.parent / "outside"
    shutil.copytree(events_file(home).parent, outside)
    (home / "session-state" / "linked").symlink_to(outside)
    assert [source.key for source in FORMAT.find(home)] == [SESSION]
    with pytest.raises(BrokenRecordError):
        read(home, "a b")


def test_broken_lines_do_not_hide_the_others(tmp_path: Path) -> None:
    path = events_file(tmp_path, "s1")
    path.parent.mkdir(parents=True)
    good = json.dumps(record("user.message", content="A."))
    lines = ["{", "7", '{"type": "user.message"}', '{"type": "hologram"}', good, good[:20]]
    path.write_text("\n".join(lines))
    items = read(tmp_path, "s1")
    assert [item.place for item in of_kind(items, BrokenRecord)] == ["line 1", "line 2", "line 3"]
    assert of_kind(items, UnknownRecord) == [UnknownRecord(kind="record hologram")]
    assert texts_of(items) == ["A."]


kinds = ["user.message", "assistant.message", "tool.execution_start", "tool.execution_complete"]
kinds += ["session.start", "session.shutdown", "session.usage_record", "session.error", "abort"]
kinds += ["subagent.started", "assistant.turn_end", "system.notification", "hologram"]
keys = ["content", "toolCallId", "toolName", "arguments", "result", "success", "error", "message"]
keys += ["usage", "accounting", "usageId", "inputTokens", "modelMetrics", "context", "cwd"]
keys += ["shellExecution", "exitCode", "attachments", "path", "reasoningText", "toolRequests"]
anything = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["c1", 10**400, -1, 7, "\ud800"]) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keys), inner, max_size=8)
    ),
    max_leaves=25,
)
envelopes = st.fixed_dictionaries(
    {"type": st.sampled_from(kinds) | anything},
    optional={"data": anything, "id": anything, "timestamp": anything, "agentId": anything},
)


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(records=st.lists(envelopes | anything, max_size=6))
def test_any_records_raise_nothing_else(tmp_path: Path, records: list[Any]) -> None:
    items = read_records(tmp_path, *records, record("user.message", content="Still here."))
    check_items(items)
    assert "Still here." in texts_of(items)
