"""The change that an edit of Claude Code would make, as a diff for the person who is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..events.unified_diff import unified_diff

MAX_FILE_BYTES = 512 * 1024
MAX_LINES = 4000
"""Limit of the lines of each side."""


def diff_of(tool_name: str, tool_input: Mapping[str, Any]) -> str | None:
    """Return the unified diff of an edit; None if it is not known or too large."""
    path = tool_input.get("file_path")
    if not isinstance(path, str):
        return None
    before = _content_of(path)
    after = _after(before, tool_name, tool_input)
    if before is None or after is None:
        return None
    if max(before.count("\n"), after.count("\n")) > MAX_LINES:
        return None
    return unified_diff(before, after, old_name=path, new_name=path) or None


def _content_of(path: str) -> str | None:
    """Return the text of a file, empty if it does not exist; None if it cannot be shown."""
    try:
        file = Path(path)
        if file.is_file() and file.stat().st_size <= MAX_FILE_BYTES:
            return file.read_text("utf-8")
        return None if file.exists() else ""
    except (OSError, ValueError):
        return None


def _after(before: str | None, tool_name: str, tool_input: Mapping[str, Any]) -> str | None:
    if tool_name == "Write":
        content = tool_input.get("content")
        return content if isinstance(content, str) else None
    edits = tool_input.get("edits") if tool_name == "MultiEdit" else [tool_input]
    for edit in edits if isinstance(edits, list) else [None]:
        if not isinstance(edit, dict) or before is None:
            return None
        old, new = edit.get("old_string"), edit.get("new_string")
        if not isinstance(old, str) or not isinstance(new, str) or (old and old not in before):
            return None
        times = -1 if edit.get("replace_all") is True else 1
        before = before.replace(old, new, times)
    return before
