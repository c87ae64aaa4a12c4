"""Agent definitions as Markdown files with front matter, in the format of Claude Code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .agent import Fields, text_of

CLAUDE_KEYS = {
    "name": "name",
    "description": "description",
    "tools": "tools",
    "disallowedTools": "disallowed_tools",
    "model": "model",
    "permissionMode": "permission_mode",
}


def fields_of_markdown(source: Path) -> Fields | None:
    text = text_of(source, errors="replace")
    if not text.startswith("---"):
        return None  # a README next to definitions
    from . import front_matter  # late: it imports YAML, and most projects have none of these files

    parts = front_matter.split(text)
    if parts is None:
        return None
    front = front_matter.parse(parts[0])
    for key in ("name", "description"):
        if not front.get(key):
            raise ValueError(f"the front matter has no {key}: Claude Code ignores this file")
        if not isinstance(front[key], str):
            raise ValueError(f"{key} must be a non-empty string")
    if front["name"].startswith("-") or ":" in front["name"]:
        raise ValueError("the name begins with `-` or has a colon: Claude Code ignores this file")
    fields = {ours: front[theirs] for theirs, ours in CLAUDE_KEYS.items() if theirs in front}
    for key in ("tools", "disallowed_tools"):
        if isinstance(fields.get(key), str):
            fields[key] = _split_tools(fields[key])
    fields["mcp_servers"] = _inline_servers(front.get("mcpServers"))
    fields["system_prompt"] = parts[1].strip() or None
    return fields


def _inline_servers(given: Any) -> Fields:
    """Return the servers that the file defines; the person defines those that it only names."""
    parts = given if isinstance(given, list) else [given]
    return {
        name: server for part in parts if isinstance(part, dict) for name, server in part.items()
    }


def _split_tools(tools: str) -> list[str]:
    """Split at commas outside parentheses: `Read, Bash(git log:*, git diff:*)`."""
    parts, begin, depth = [], 0, 0
    for place, character in enumerate(tools):
        if character == "(":
            depth += 1
        elif character == ")":
            depth = max(0, depth - 1)
        elif character == "," and depth == 0:
            parts.append(tools[begin:place])
            begin = place + 1
    parts.append(tools[begin:])
    return [tool.strip() for tool in parts if tool.strip()]
