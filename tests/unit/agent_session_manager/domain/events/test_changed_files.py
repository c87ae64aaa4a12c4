"""The files that tool calls change."""

from __future__ import annotations

from typing import Any

from agent_session_manager.domain.events.file_changes import (
    FileChange,
    changes_of_diff,
    changes_of_input,
    count_lines,
)
from tests.support.rows import each_row

BEFORE = "a\nb\nc\nd\n"
PATCH = "*** Begin Patch\n*** Update File: u\n@@\n-x\n+y\n+z\n*** Add File: n\n+1\n*** End Patch"
DIFF = """\
--- a/one\t2026
+++ b/one
@@ -1,2 +1,2 @@
--- x
 same
+y
--- gone
+++ /dev/null
@@ -1 +0,0 @@
-z
"""


@each_row(
    "before, after, counts",
    [
        (BEFORE, BEFORE, (0, 0)),
        (BEFORE, "a\nB\nc\nD\n", (2, 2)),
        (BEFORE, "b\nc\nd\na\n", (1, 1)),
        ("", BEFORE, (4, 0)),
        ("a\nb", "a\nb\n", (1, 1)),
        ("a\x0bb\n", "a\x0bc\n", (1, 1)),
        ("x\n" * 5000, "y\n" * 4000 + "x\n", (4000, 4999)),
    ],
)
def test_changed_lines_are_counted(before: str, after: str, counts: tuple[int, int]) -> None:
    assert count_lines(before, after) == counts


@each_row(
    "tool, given, found",
    [
        ("Edit", {"file_path": "p", "old_string": "a", "new_string": "b"}, [("p", 1, 1)]),
        ("edit", {"path": "p", "edits": [{"oldText": "a\n", "newText": ""}, 3]}, [("p", 0, 1)]),
        ("write_file", {"path": "p", "content": "a\nb"}, [("p", 2, None)]),
        ("Read", {"file_path": "p", "content": "a"}, []),
        ("Edit", {"file_path": 3, "old_string": "a", "new_string": "b"}, []),
        ("NotebookEdit", {"notebook_path": "n", "new_source": "x"}, [("n", None, None)]),
        ("shell", {"cmd": PATCH}, [("u", 2, 1), ("n", 1, 0)]),
        ("TodoWrite", {"todos": []}, []),
        ("Bash", "no object", []),
    ],
)
def test_input_names_the_files_that_it_changes(
    tool: str, given: Any, found: list[tuple[str, int | None, int | None]]
) -> None:
    assert changes_of_input(tool, given) == [FileChange(*each) for each in found]


def test_diff_names_each_of_its_files() -> None:
    assert changes_of_diff(DIFF) == [FileChange("one", 1, 1), FileChange("gone", 0, 1)]
    assert changes_of_diff(None) == []
