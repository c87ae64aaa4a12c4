"""Texts in user messages: prompts of a person, and texts of Claude Code in the same place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..fields import fields_of, list_of, text_of

Json = Any

INTERRUPTED = "[Request interrupted by user"
_COMMAND = re.compile(r"\s*<(?:command-(?:name|message|args)|local-command-[a-z]+|bash-[a-z]+)>")
_OF_CLAUDE_CODE = re.compile(
    r"\s*<(?:system-reminder|task-notification|ide_[a-z_]+|user-prompt-submit-hook|"
    r"user-memory-input|teammate-message)\b"
)
_OF_A_PERSON = ("human", "user", "keyboard")


def origin_of(line: Mapping[str, Json], text: str) -> str | None:
    """Return the origin of a user message; None: a person wrote it."""
    if line.get("isCompactSummary"):
        return "compaction"
    kind = text_of(fields_of(line.get("origin")).get("kind"))
    if kind is not None and kind not in _OF_A_PERSON:
        return kind[:100]
    if _COMMAND.match(text):
        return "command"
    if line.get("isMeta") or _OF_CLAUDE_CODE.match(text) or text.startswith(INTERRUPTED):
        return "system"
    return None


def content_of(content: Json) -> tuple[str, list[dict[str, Json]]]:
    """Return the text of a user message, and its blocks without the results of tools."""
    if isinstance(content, str):
        return content, [{"type": "text", "text": content}] if content else []
    blocks = [
        block
        for block in list_of(content)
        if isinstance(block, dict)
        and isinstance(block.get("type"), str)
        and block["type"] != "tool_result"
        and (block["type"] != "text" or text_of(block.get("text")))
    ]
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    return text, blocks
