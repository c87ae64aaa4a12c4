"""The usage of model requests in transcripts of Claude Code, of several versions."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_orchestrator.history.format import Place, Source
from agent_orchestrator.history.formats.claude import FORMAT
from agent_orchestrator.history.items import BrokenRecordError, Item, ModelRequest
from tests.support.claude_lines import (
    PROJECT,
    SAMPLES,
    SESSION,
    answer,
    call,
    message,
    read_file,
    read_lines,
    read_records,
    result,
    text,
)
from tests.support.found_items import check_items, of_kind
from tests.support.rows import each_row

USAGE = {"input_tokens": 11, "output_tokens": 42}


def counted(items: Sequence[Item]) -> dict[str, dict[str, int]]:
    """Return the counts of each request. A later item raises them to their maximum."""
    found: dict[str, dict[str, int]] = {}
    for request in of_kind(items, ModelRequest):
        known = found.setdefault(request.key, {})
        known.update({n: max(count, known.get(n, 0)) for n, count in request.counts.items()})
    return found


def usage(**counts: Any) -> dict[str, Any]:
    return {"usage": {**USAGE, **counts}}


def test_counts_that_grow_on_the_lines_of_a_message(tmp_path: Path) -> None:
    """Some versions write one line for each block, the last of them with the final counts."""
    lines = [
        answer("a1", text("One."), of={"id": "msg_1", **usage(output_tokens=1)}),
        answer("a2", text("Two."), of={"id": "msg_1", **usage(output_tokens=42)}),
        answer("a3", call("t", "Bash"), of={"id": "msg_1", **usage(output_tokens=7)}),
    ]
    assert counted(read_records(tmp_path, *lines)) == {"claude:msg_1": USAGE}


def test_request_without_a_message_id_has_the_id_of_its_line(tmp_path: Path) -> None:
    line = answer("a1", text("One."), of={"id": None, **usage()})
    assert counted(read_records(tmp_path, line)) == {"claude:a1": USAGE}


def test_sums_do_not_need_request_ids(tmp_path: Path) -> None:
    with_ids = [read_file(path) for path in sorted(SAMPLES.rglob("*.jsonl"))]
    found = []
    for path in sorted(SAMPLES.rglob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            line.pop("requestRef", None)
            line["requestId"] = "req_1"
        target = tmp_path / path.relative_to(SAMPLES)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        found.append(read_file(target, tmp_path))
    assert [counted(items) for items in found] == [counted(items) for items in with_ids]


def test_cost_of_older_versions_is_the_agents_own(tmp_path: Path) -> None:
    items = read_records(tmp_path, answer("a1", text("One."), of=usage(), costUSD=0.006284))
    (request,) = of_kind(items, ModelRequest)
    assert (request.cost_nanodollars, request.provider) == (6_284_000, "anthropic")


def test_writes_for_an_hour_are_counted_apart(tmp_path: Path) -> None:
    split = {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 900}
    both = answer("a1", of=usage(cache_creation_input_tokens=1000, cache_creation=split))
    only_split = answer("a2", of=usage(cache_creation=split))
    only_sum = answer("a3", of=usage(cache_creation_input_tokens=1000))
    expected = {**USAGE, "cache_creation_tokens": 1000}
    assert counted(read_records(tmp_path, both, only_split, only_sum)) == {
        "claude:msg_a1": {**expected, "cache_creation_1h_tokens": 900},
        "claude:msg_a2": {**expected, "cache_creation_1h_tokens": 900},
        "claude:msg_a3": expected,
    }


def test_details_of_a_request_are_kept(tmp_path: Path) -> None:
    given = usage(service_tier="standard", speed="fast", inference_geo="us")
    (request,) = of_kind(read_records(tmp_path, answer("a1", of=given)), ModelRequest)
    assert request.details == {"service_tier": "standard", "speed": "fast", "inference_geo": "us"}
    assert request.model == "claude-opus-5-5"


def test_advisor_is_a_request_of_its_own(tmp_path: Path) -> None:
    advisor = {"type": "advisor_message", "model": "claude-fable-5", "input_tokens": 900}
    iterations = [{"type": "message", "input_tokens": 11}, advisor]
    items = read_records(tmp_path, answer("a1", of=usage(iterations=iterations)))
    assert counted(items) == {
        "claude:msg_a1": USAGE,
        "claude:msg_a1:advisor1": {"input_tokens": 900},
    }
    assert [r.model for r in of_kind(items, ModelRequest)] == ["claude-opus-5-5", "claude-fable-5"]


@each_row(
    "name, searches, expected",
    [
        ("WebSearch", 0, {"claude:t:searches": 3}),
        ("WebSearch", 3, {"claude:msg_a1": 3}),
        ("mcp__other__search", 0, {}),
    ],
)
def test_web_searches_count_once(
    tmp_path: Path, name: str, searches: int, expected: dict[str, int]
) -> None:
    told = usage(server_tool_use={"web_search_requests": searches})
    lines = [answer("a1", call("t", name), of=told)]
    lines += 2 * [result("u1", "t", "found", toolUseResult={"searchCount": 3})]
    counts = counted(read_records(tmp_path, *lines))
    found = {key: count for key, each in counts.items() if (count := each.get("web_searches"))}
    assert found == expected


def test_text_of_the_cli_is_no_request(tmp_path: Path) -> None:
    lines = [
        answer("a1", text("x"), of={"model": "<synthetic>", **usage()}),
        answer("a2", text("x"), of=usage(), isApiErrorMessage=True),
        answer("a3", text("x"), of=usage(), error="rate_limit"),
    ]
    assert counted(read_records(tmp_path, *lines)) == {}


@each_row("name", ["two words", "x" * 500, "\ud800", "nul\x00", "é"])
def test_unusual_message_ids_become_valid_keys(tmp_path: Path, name: str) -> None:
    lines = 2 * [answer("a1", text("x"), of={"id": name, **usage()})]
    (key,) = counted(read_records(tmp_path, *lines))
    assert key.isascii()
    assert len(key) <= 200
    assert not set(key) & {" ", "\x00"}


@each_row("value", [None, -1, 1.5, "12", True, [], {}, 10**13])
def test_counts_that_are_no_counts_are_unknown(tmp_path: Path, value: Any) -> None:
    line = answer("a1", of={"usage": {"input_tokens": value, "output_tokens": 1}})
    assert counted(read_records(tmp_path, line)) == {"claude:msg_a1": {"output_tokens": 1}}


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=8), part),
    max_leaves=8,
)
LINES = [
    json.loads(line) for path in SAMPLES.rglob("*.jsonl") for line in path.read_text().splitlines()
]
EXTRA = [
    answer("a", call("t", "WebSearch"), of=usage(iterations=[{"type": "advisor_message"}])),
    result("u", "t", "x", toolUseResult={"searchCount": 3, "persistedOutputPath": "x"}),
    message("user", "u", [{"type": "image", "source": {"media_type": "x"}}], origin={"kind": "x"}),
    {"type": "summary", "summary": "x", "leafUuid": "u"},
    {"type": "attachment", "attachment": {"type": "queued_command", "prompt": "x"}},
]


def places(value: Any) -> list[list[Any]]:
    """Return the path of each value inside a value."""
    found: list[list[Any]] = [[]]
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        found += [[key]]
        if isinstance(part, dict | list):
            found += [[key, *rest] for rest in places(part)[1:]]
    return found


@st.composite
def wrong_lines(draw: st.DrawFn) -> Any:
    """Return a line in which one value has another type."""
    line = json.loads(json.dumps(draw(st.sampled_from([*LINES, *EXTRA]))))
    *path, last = draw(st.sampled_from(places(line)[1:]))
    target = line
    for key in path:
        target = target[key]
    target[last] = draw(JSON)
    return line


@given(lines=st.lists(wrong_lines() | JSON, min_size=1, max_size=4))
def test_wrong_shapes_raise_only_broken_record_errors(lines: list[Any]) -> None:
    for name in (f"{SESSION}.jsonl", f"{SESSION}/subagents/agent-a.jsonl", "agent-a.jsonl"):
        path = SAMPLES / PROJECT / name
        parser = FORMAT.parser(Source(path=path, root=SAMPLES), None)
        for number, line in enumerate(lines, 1):
            with contextlib.suppress(BrokenRecordError):
                check_items(parser.read(line, Place(number, 100 * number)))
        json.dumps(parser.state)


@pytest.mark.parametrize("line", [None, 5, "x", [], {}, {"type": None}, {"type": "user"}])
def test_lines_of_another_shape_are_broken(line: Any) -> None:
    source = Source(path=SAMPLES / PROJECT / f"{SESSION}.jsonl", root=SAMPLES)
    with pytest.raises(BrokenRecordError):
        list(FORMAT.parser(source, None).read(line, Place(1, 0)))


@each_row("path", sorted(SAMPLES.rglob("*.jsonl")), ids=lambda path: path.stem)
def test_state_after_any_line_continues_equally(path: Path) -> None:
    source = Source(path=path, root=SAMPLES)
    content = path.read_bytes()
    whole = list(read_lines(FORMAT.parser(source, None), content))
    found: list[Item] = []
    state, offset = None, 0
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        parser = FORMAT.parser(source, state)
        found += parser.read(json.loads(line), Place(number, offset))
        state, offset = json.loads(json.dumps(parser.state)), offset + len(line)
    assert found == whole


def test_state_does_not_grow_with_the_file() -> None:
    source = Source(path=SAMPLES / PROJECT / f"{SESSION}.jsonl", root=SAMPLES)
    parser = FORMAT.parser(source, None)
    sizes = {}
    for number in range(3000):
        lines = [
            answer(f"a{number:05}", call(f"t{number:05}", "Bash")),
            {"type": "summary", "summary": "x", "leafUuid": f"x{number:05}"},
        ]
        for line in lines:
            list(parser.read(line, Place(1, 0)))
        if number in (1500, 2999):
            sizes[number] = len(json.dumps(parser.state))
    assert sizes[2999] == sizes[1500]
