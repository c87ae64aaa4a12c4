"""The diff of an edit that Claude Code asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent_orchestrator.claude.edit_diff import MAX_FILE_BYTES, MAX_LINES, diff_of
from tests.support.rows import each_row

OLD = "one\ntwo\none\n"


@each_row(
    "tool, given, expected",
    [
        ("Write", {"content": "one\nthree"}, ["-two", "-one", "+three"]),
        ("Edit", {"old_string": "one", "new_string": "1"}, ["-one", "+1"]),
        (
            "Edit",
            {"old_string": "one", "new_string": "1", "replace_all": True},
            ["-one", "+1", "-one", "+1"],
        ),
        (
            "MultiEdit",
            {"edits": [{"old_string": "two", "new_string": "2"}]},
            ["-two", "+2"],
        ),
    ],
)
def test_diff_shows_the_changed_lines(
    tool: str, given: dict[str, Any], expected: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text(OLD)
    diff = diff_of(tool, {"file_path": str(file), **given})
    assert diff is not None
    head, *lines = diff.splitlines()
    assert head == f"--- {file}"
    assert [line for line in lines[1:] if line[0] in "+-"] == expected
    assert file.read_text() == OLD


@each_row(
    "content, given",
    [
        (OLD, {"old_string": "four", "new_string": "4"}),
        (OLD, {"old_string": "one"}),
        (OLD, {"old_string": "one", "new_string": "one"}),
        (b"\xff\xfe", {"old_string": "", "new_string": "4"}),
        ("x" * (MAX_FILE_BYTES + 1), {"old_string": "x", "new_string": "y"}),
        ("x\n" * (MAX_LINES + 1), {"old_string": "x", "new_string": "y"}),
    ],
    ids=lambda value: str(value)[:50],
)
def test_edit_that_cannot_be_shown_has_no_diff(
    content: str | bytes, given: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    assert diff_of("Edit", {"file_path": str(file), **given}) is None
    assert diff_of("Edit", {"file_path": str(tmp_path), **given}) is None
    assert diff_of("NotebookEdit", {"notebook_path": str(file), **given}) is None
