from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_orchestrator.history.formats.predecessor import FORMAT
from agent_orchestrator.history.formats.predecessor.format import META_BYTES_LIMIT
from agent_orchestrator.history.formats.predecessor.lines import LINE_BYTES_LIMIT
from agent_orchestrator.history.items import BrokenRecord, BrokenRecordError, UnknownRecord
from tests.support.predecessor_files import (
    META,
    RUN,
    SESSION,
    Json,
    assistant,
    events,
    prompt,
    read,
    text,
    user,
    write,
)


def test_unreadable_lines_are_counted(tmp_path: Path) -> None:
    lines = [
        prompt("Go."),
        b"not json\n",
        b"[]\n",
        b"\n",
        b"x" * (LINE_BYTES_LIMIT + 10) + b"\n",
        {"new": "message"},
        assistant({"id": 5, "name": "Bash"}),
        assistant({"id": "", "name": "Bash"}),
        user([{"tool_use_id": None}]),
        assistant(text("One.")),
    ]
    items = read(tmp_path, lines)
    assert [item.kind for item in items if isinstance(item, UnknownRecord)] == ["unknown line"] * 2
    broken = [(item.place, item.reason) for item in items if isinstance(item, BrokenRecord)]
    assert broken == [
        ("line 2", "not valid JSON: Expecting value: line 1 column 1 (char 0)"),
        ("line 5", f"longer than {LINE_BYTES_LIMIT:,} bytes"),
        ("line 7", "id is not a text"),
        ("line 8", "a tool call has no id or no name"),
        ("line 9", "a tool result has no id"),
    ]
    assert events(items)[-1]["event_id"] == f"{SESSION}:10:0"


@pytest.mark.parametrize("length", [1, 20, -2])
def test_incomplete_last_line_waits(tmp_path: Path, length: int) -> None:
    whole = json.dumps(assistant(text("One."))).encode()
    assert read(tmp_path, [prompt("Go."), whole[:length]]) == read(tmp_path, [prompt("Go.")])


def test_complete_last_line_needs_no_newline(tmp_path: Path) -> None:
    whole = json.dumps(assistant(text("One."))).encode()
    assert len(events(read(tmp_path, [prompt("Go."), whole]))) == 2


def test_empty_session_has_only_facts(tmp_path: Path) -> None:
    assert len(read(tmp_path, [])) == 1


@pytest.mark.parametrize("meta", [[], "text", {"session_name": 5}, {"session_id": "no id"}])
def test_broken_meta_file_is_refused(tmp_path: Path, meta: Json) -> None:
    with pytest.raises(BrokenRecordError):
        read(tmp_path, RUN, meta)


def test_large_meta_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenRecordError):
        read(tmp_path, RUN, {**META, "agent": "x" * META_BYTES_LIMIT})


def test_half_written_meta_file_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path, RUN)
    (tmp_path / "architect.meta.json").write_text('{"session_name": "arch')
    with pytest.raises(BrokenRecordError):
        list(FORMAT.read(source))


def test_file_of_another_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenRecordError):
        read(tmp_path, [{"level": "info"}, b"plain text\n"])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "thinking", "id", "name", "input", "tool_use_id", "content"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["type", "content", "model", "subtype", "data", "duration_ms", "num_turns", "usage", "uuid"]
    + ["timestamp", "total_cost_usd", "error", "message", "result", "parent_tool_use_id"]
)
KINDS = st.sampled_from(["user_message", "assistant", "user", "system", "result", None])


@given(
    st.lists(
        st.builds(
            lambda kind, fields: {**fields, **({"type": kind} if kind else {})},
            KINDS,
            st.dictionaries(FIELDS, VALUES, max_size=6),
        ),
        max_size=6,
    )
)
def test_any_lines_give_items(lines: list[Json]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for item in read(Path(directory), [prompt("Go."), *lines]):
            json.dumps(asdict(item))
