"""The files that a tool call changes, with their numbers of added and removed lines.

They are read from what the call says: its input, or the diff in its result. A command of a shell
can change any file, and says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

MAX_FILES = 100
MAX_DIFFERENCE = 200
"""Number of changed lines up to which two texts are compared exactly."""
_PATHS = ("file_path", "filePath", "notebook_path", "absolute_path", "path")
_WRITING = re.compile(r"write|create", re.IGNORECASE)
_LINES = re.compile(r"[^\n]*\n|[^\n]+\Z")
_PATCH = "*** Begin Patch"
_PATCHED = re.compile(r"\*\*\* (Add|Update|Delete) File: (.+)")
_HUNK = re.compile(r"@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@")
_DIFFED = re.compile(r"(?:--- |\+\+\+ )(?:[ab]/)?([^\t\n]+)")


class FileChange(NamedTuple):
    """A file with the lines that a call added and removed; None if that is not known."""

    path: str
    added: int | None
    removed: int | None


def changes_of_input(tool_name: str, tool_input: Any) -> list[FileChange]:
    """Return the files that a call with this input changes, as far as the input names them."""
    if not isinstance(tool_input, Mapping):
        return []
    for text in tool_input.values():
        if isinstance(text, str) and _PATCH in text:
            return list(_of_patch(text))[:MAX_FILES]
    path = next((p for name in _PATHS if isinstance(p := tool_input.get(name), str) and p), None)
    if path is None:
        return []
    edits = tool_input.get("edits")
    counts = [_count_edit(edit) for edit in (edits if isinstance(edits, list) else [tool_input])]
    known = [count for count in counts if count is not None]
    if known:
        return [FileChange(path, sum(c[0] for c in known), sum(c[1] for c in known))]
    content = tool_input.get("content")
    if isinstance(content, str) and _WRITING.search(tool_name):
        return [FileChange(path, len(_LINES.findall(content)), None)]
    if isinstance(tool_input.get("new_source"), str):
        return [FileChange(path, None, None)]
    return []


def changes_of_diff(diff: Any) -> list[FileChange]:
    """Return the files of a unified diff, which can have lines between its parts."""
    found: dict[str, list[int]] = {}
    counts = [0, 0]
    old = new = 0  # lines of the hunk that follow
    for line in diff.split("\n") if isinstance(diff, str) else ():
        if old > 0 or new > 0:
            sign = line[:1]
            counts[0] += sign == "+"
            counts[1] += sign == "-"
            old -= sign not in ("+", "\\")
            new -= sign not in ("-", "\\")
        elif hunk := _HUNK.match(line):
            old, new = (1 if size is None else int(size) for size in hunk.groups())
        elif (named := _DIFFED.match(line)) and named[1] != "/dev/null":
            counts = found.setdefault(named[1], [0, 0])
    return [FileChange(path, *each) for path, each in found.items()][:MAX_FILES]


def count_lines(before: str, after: str) -> tuple[int, int]:
    """Return the numbers of added and removed lines; beyond a limit, all lines that can differ."""
    old, new = _LINES.findall(before), _LINES.findall(after)
    while old and new and old[-1] == new[-1]:
        old.pop()
        new.pop()
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    old, new = old[start:], new[start:]
    distance = _distance(old, new)
    return (distance + len(new) - len(old)) // 2, (distance + len(old) - len(new)) // 2


def _distance(old: list[str], new: list[str]) -> int:
    """Return the smallest number of lines to remove and add, by the algorithm of Myers."""
    reached = {1: 0}
    for distance in range(min(MAX_DIFFERENCE, len(old) + len(new)) + 1):
        for diagonal in range(-distance, distance + 1, 2):
            above, left = reached.get(diagonal + 1, -1), reached.get(diagonal - 1, -1)
            x = above if diagonal == -distance or left < above else left + 1
            while x < len(old) and 0 <= x - diagonal < len(new) and old[x] == new[x - diagonal]:
                x += 1
            reached[diagonal] = x
            if x >= len(old) and x - diagonal >= len(new):
                return distance
    return len(old) + len(new)


def _count_edit(edit: Any) -> tuple[int, int] | None:
    if not isinstance(edit, Mapping):
        return None
    for before, after in (("old_string", "new_string"), ("oldText", "newText")):
        old, new = edit.get(before), edit.get(after)
        if isinstance(old, str) and isinstance(new, str):
            return count_lines(old, new)
    return None


def _of_patch(text: str) -> Iterator[FileChange]:
    """Yield the files of a patch in the form of Codex. A deleted file does not say its lines."""
    found: tuple[str, str] | None = None
    added = removed = 0
    for line in [*text.split("\n"), "*** End Patch"]:
        if line.startswith(("*** Add", "*** Update", "*** Delete", "*** End Patch")):
            if found:
                yield FileChange(found[1], added, None if found[0] == "Delete" else removed)
            named = _PATCHED.match(line)
            found, added, removed = (named[1], named[2].strip()) if named else None, 0, 0
        else:
            added += line.startswith("+")
            removed += line.startswith("-")
