"""Copies of sessions of Claude Code: which events and requests belong to the original."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent_orchestrator.history.format import Place, Source
from agent_orchestrator.history.formats.claude import FORMAT
from agent_orchestrator.history.formats.claude.copies import end_of_copy
from agent_orchestrator.history.items import (
    ForkPoint,
    FoundEvent,
    Item,
    ModelRequest,
    SessionFacts,
)
from tests.support.claude_lines import (
    SESSION,
    answer,
    call,
    message,
    read_file,
    read_lines,
    read_records,
    result,
    sample,
    text,
    written,
)
from tests.support.found_items import check_items, events_of, of_kind, texts_of, total

ORIGINAL = "499b951a-1ec2-4f70-9d75-90f7b24016a3"
FORK = "580a60e4-6e76-443e-8a12-b9ab16588c23"
FORK_OF_FORK = "266f646d-a81f-421f-a017-a00b89119300"
REQUEST = {
    "input_tokens": 11,
    "output_tokens": 42,
    "cache_read_tokens": 2000,
    "cache_creation_tokens": 1000,
    "cache_creation_1h_tokens": 0,
    "reasoning_tokens": 0,
    "web_searches": 0,
}


def read(session_id: str) -> list[Item]:
    return read_file(sample(session_id))


def copied_ids(items: Sequence[Item]) -> list[str]:
    found = [item.event for item in of_kind(items, FoundEvent) if item.is_inherited]
    return [event["event_id"] for event in found]


def fork_of(items: Sequence[Item]) -> ForkPoint | None:
    facts = [fact.forked_from for fact in of_kind(items, SessionFacts) if fact.forked_from]
    return facts[-1] if facts else None


def own_requests(items: Sequence[Item]) -> list[str]:
    return [item.key for item in of_kind(items, ModelRequest) if not item.is_inherited]


def test_fork_of_the_cli_begins_with_inherited_events() -> None:
    original, fork = read(ORIGINAL), read(FORK)
    check_items(fork)
    ids = [event["event_id"] for event in events_of(original)]
    assert copied_ids(fork) == ids
    assert texts_of(fork, role="assistant") == ["The word is heron.", "Another way."]
    assert fork_of(fork) == ForkPoint(ORIGINAL, ids[-1])
    assert fork_of(original) is None


def test_fork_of_a_fork_names_its_direct_original() -> None:
    fork, second = read(FORK), read(FORK_OF_FORK)
    ids = [event["event_id"] for event in events_of(fork)]
    assert copied_ids(second) == ids
    assert fork_of(second) == ForkPoint(FORK, ids[-1])


def test_original_and_forks_have_each_request_once() -> None:
    sources = [read(session_id) for session_id in (FORK_OF_FORK, ORIGINAL, FORK)]
    requests = [request for items in sources for request in of_kind(items, ModelRequest)]
    assert len(requests) == 6
    assert len({request.key for request in requests}) == 3
    assert all(dict(request.counts) == REQUEST for request in requests)
    assert total(requests) == {name: 3 * count for name, count in REQUEST.items()}
    assert [len(own_requests(items)) for items in sources] == [1, 1, 1]


def test_resumed_fork_continues_with_own_events(tmp_path: Path) -> None:
    path = tmp_path / "-home-user-project" / f"{FORK}.jsonl"
    path.parent.mkdir()
    shutil.copy(sample(FORK), path)
    source = Source(path=path, root=tmp_path)
    parser = FORMAT.parser(source, None)
    assert copied_ids(list(read_lines(parser, path.read_bytes())))
    more = answer("a9", text("On."), timestamp="2026-11-28T10:00:00Z", requestSessionId=FORK)
    later = FORMAT.parser(source, json.loads(json.dumps(parser.state)))
    items = list(later.read(more, Place(99, path.stat().st_size)))
    assert copied_ids(items) == []
    assert fork_of(items) is None


def test_copy_that_is_written_after_the_first_lines_is_inherited(tmp_path: Path) -> None:
    lines = [line for line in sample(FORK).read_text().splitlines() if "queue-op" not in line]
    begin, *rest = [json.loads(line) for line in lines]
    path = written(tmp_path, [begin], name=f"{FORK}.jsonl")
    source = Source(path=path, root=tmp_path)
    parser = FORMAT.parser(source, None)
    assert list(read_lines(parser, path.read_bytes())) == []
    written(tmp_path, [begin, *rest], name=f"{FORK}.jsonl")
    later = FORMAT.parser(source, json.loads(json.dumps(parser.state)))
    items = list(read_lines(later, path.read_bytes()))  # the first line has no items
    assert copied_ids(items) == copied_ids(read(FORK))


def test_fork_in_the_background_has_the_same_marks(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in sample(FORK).read_text().splitlines()]
    marked = [{**line, "sessionKind": "bg"} if "uuid" in line else line for line in lines]
    items = read_file(written(tmp_path, marked, name=f"{FORK}.jsonl"), tmp_path)
    assert items == read(FORK)


def sdk_fork(original: Path, session_id: str) -> list[dict[str, Any]]:
    """Return the lines that the SDK writes for a fork: with new uuids, which name the old ones."""
    lines = [json.loads(line) for line in original.read_text().splitlines()]
    return [
        {
            **line,
            "uuid": f"new-{line['uuid']}",
            "sessionId": session_id,
            "forkedFrom": {"sessionId": original.stem, "messageUuid": line["uuid"]},
        }
        for line in lines
        if "uuid" in line
    ]


def test_fork_of_the_sdk_names_the_last_event_of_its_original(tmp_path: Path) -> None:
    lines = [*sdk_fork(sample(ORIGINAL), SESSION), answer("a9", text("Mine."))]
    items = read_records(tmp_path, *lines)
    ids = [event["event_id"] for event in events_of(read(ORIGINAL))]
    assert copied_ids(items) == [f"new-{event_id}" for event_id in ids]
    assert fork_of(items) == ForkPoint(ORIGINAL, ids[-1])
    assert own_requests(items) == ["claude:msg_a9"]
    assert len({request.key for request in of_kind(items, ModelRequest)}) == 2


def test_fork_of_the_sdk_of_a_fork_names_its_direct_original(tmp_path: Path) -> None:
    lines = [*sdk_fork(sample(FORK), SESSION), message("user", "u9", "Go.")]
    fork = fork_of(read_records(tmp_path, *lines))
    assert fork is not None
    assert fork.session_id == FORK


def test_subagent_that_forks_by_reference_copies_nothing(tmp_path: Path) -> None:
    context = {"type": "fork-context-ref", "sessionId": SESSION, "leafUuid": "u1"}
    name = f"{SESSION}/subagents/agent-a1.jsonl"
    items = read_file(written(tmp_path, [context, answer("a1", text("x"))], name=name), tmp_path)
    assert copied_ids(items) == []
    assert own_requests(items) == ["claude:msg_a1"]


def test_copied_line_of_a_subagent_is_inherited(tmp_path: Path) -> None:
    name = f"{SESSION}/subagents/agent-a1.jsonl"
    lines = [answer("a1", text("x"), requestSessionId=ORIGINAL), answer("a2", text("y"))]
    items = read_file(written(tmp_path, lines, name=name), tmp_path)
    assert own_requests(items) == ["claude:msg_a2"]
    assert len(copied_ids(items)) == 1


def test_line_that_is_copied_later_is_inherited(tmp_path: Path) -> None:
    """The importer can read a fork while Claude Code writes it."""
    path = written(tmp_path, [message("user", "u1", "Go.")])
    parser = FORMAT.parser(Source(path=path, root=tmp_path), None)
    items = list(parser.read(answer("a1", text("x"), requestSessionId=ORIGINAL), Place(2, 500)))
    assert len(copied_ids(items)) == 1
    assert own_requests(items) == []


def test_fork_of_a_compacted_session_is_told_by_its_times(tmp_path: Path) -> None:
    """It has no marks, as its copied part has no lines of the model."""
    queued = {"type": "queue-operation", "operation": "enqueue", "sessionId": SESSION}
    lines = [
        {**queued, "timestamp": "2026-11-27T10:00:01.000Z"},
        message("user", "u1", "the summary", isCompactSummary=True),
        message("user", "u2", "<command-name>/compact</command-name>"),
        message("user", "u3", "Go.", timestamp="2026-11-27T10:00:01.050Z"),
        {**queued, "timestamp": "2026-11-27T10:00:09.000Z"},
        answer("a1", text("x"), timestamp="2026-11-27T10:00:08.999Z"),
    ]
    items = read_records(tmp_path, *lines)
    assert copied_ids(items) == ["u1:0", "u2"]
    assert own_requests(items) == ["claude:msg_a1"]


def test_mark_inside_of_a_tool_call_is_no_mark(tmp_path: Path) -> None:
    """An agent that works on transcripts has their lines in the input of its tools."""
    lines = [
        message("user", "u1", "Go."),
        answer("a1", call("toolu_1", "Write", requestSessionId=ORIGINAL)),
        result("u2", "toolu_1", "done", toolUseResult={"requestSessionId": ORIGINAL}),
        answer("a2", text(f'"requestSessionId":"{ORIGINAL}"')),
    ]
    assert copied_ids(read_records(tmp_path, *lines)) == []


def test_end_of_copy_is_found_at_any_place(tmp_path: Path) -> None:
    marked = json.dumps({"requestSessionId": ORIGINAL}, separators=(",", ":")).encode()
    chunk = 1024 * 1024
    for size in (0, 1, chunk - len(marked), chunk - 20, chunk - 1, chunk, chunk + 1, 2 * chunk):
        path = tmp_path / f"{SESSION}.jsonl"
        path.write_bytes(b"\n".join([b"x" * size, marked, b"{}", b'"y"' * 9, b""]))
        assert end_of_copy(path, SESSION) == size + 1
        assert end_of_copy(path, ORIGINAL) == -1


def test_damaged_marks_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    for content in (b"", b'{"requestSessionId":"../x"}', b'{"requestSessionId":"abc"', b"\xff\x00"):
        path.write_bytes(content)
        assert end_of_copy(path, SESSION) == -1
    assert end_of_copy(tmp_path / "missing", SESSION) == -1
