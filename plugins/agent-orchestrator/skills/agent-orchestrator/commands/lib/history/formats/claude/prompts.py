"""Texts in user messages: prompts of a person, and texts of Claude Code in the same place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..fields import fields_of, list_of, text_of

Json = Any
Block = dict[str, Json]

INTERRUPTED = "[Request interrupted by user"
COMMAND_OUTPUT = ("<local-command-stdout>", "<local-command-stderr>")
_TASK_NOTIFICATION = "task-notification"
_CAVEAT = "<local-command-caveat>"
_COMMAND_NAME = re.compile(r"<command-name>(/[^<\s]{1,200})</command-name>")
_COMMAND_HEAD_CHARS = 2000
_COMMAND = re.compile(r"\s*<(?:command-(?:name|message|args)|local-command-[a-z]+|bash-[a-z]+)>")
_OF_CLAUDE_CODE = re.compile(
    r"\s*<(?:system-reminder|task-notification|ide_[a-z_]+|user-prompt-submit-hook|"
    r"user-memory-input|teammate-message)\b"
)
_OF_A_PERSON = ("human", "user", "keyboard")


class Prompt(NamedTuple):
    """The text of a user message."""

    text: str
    blocks: list[Block]
    origin: str | None
    """None: a person wrote it."""
    is_command: bool = False
    """True for a command of Claude Code, such as `/compact`."""


def prompt_of(content: Json, line: Mapping[str, Json]) -> Prompt | None:
    """Return the prompt in the content of a user message. None: it has no text, or only a note."""
    blocks = _blocks(content)
    kind = text_of(fields_of(line.get("origin")).get("kind"))
    text = _text(blocks)
    if not blocks or _is_note(line, text, kind):
        return None
    origin = _origin(line, text, kind)
    if origin is None:
        if command := _command(text):
            return Prompt(command, [_text_block(command)], None, is_command=True)
        own = [block for block in blocks if not _is_of_claude_code(block)]
        if own:
            return Prompt(_text(own), own, None)
        origin = "system"
    return Prompt(text, [_text_block(text)] if text else blocks, origin)


def _is_note(line: Mapping[str, Json], text: str, kind: str | None) -> bool:
    """Return whether a text is only for the model. A recorded run has no event of it either.

    These are: a notification that background work has ended, the caveat before a command, and a
    companion of a prompt, such as the text of a command. The text of a skill is not a note.
    """
    is_companion = line.get("isMeta") and line.get("turnCompanion")
    return (
        kind == _TASK_NOTIFICATION
        or text.startswith(_CAVEAT)
        or bool(is_companion and not line.get("sourceToolUseID"))
    )


def _origin(line: Mapping[str, Json], text: str, kind: str | None) -> str | None:
    if line.get("isCompactSummary"):
        return "compaction"
    if kind is not None and kind not in _OF_A_PERSON:
        return kind[:100]
    if _COMMAND.match(text) and not _command(text):
        return "command"
    return "system" if line.get("isMeta") or text.startswith(INTERRUPTED) else None


def _command(text: str) -> str | None:
    """Return the command that a person typed, of the form in which Claude Code keeps it."""
    name = _COMMAND_NAME.search(text[:_COMMAND_HEAD_CHARS]) if _COMMAND.match(text) else None
    if name is None:
        return None
    arguments = text.partition("<command-args>")[2].rpartition("</command-args>")[0]
    return f"{name[1]} {arguments}".rstrip()


def _is_of_claude_code(block: Block) -> bool:
    return block["type"] == "text" and _OF_CLAUDE_CODE.match(block["text"]) is not None


def _blocks(content: Json) -> list[Block]:
    if isinstance(content, str):
        return [_text_block(content)] if content else []
    return [made for block in list_of(content) if (made := _block(fields_of(block))) is not None]


def _block(block: Mapping[str, Json]) -> Block | None:
    """Return a block of an event. The bytes of images and documents are left out."""
    kind = text_of(block.get("type"))
    if kind is None or kind == "tool_result":
        return None
    if kind == "text":
        text = text_of(block.get("text"))
        return None if text is None else _text_block(text)
    media_type = text_of(fields_of(block.get("source")).get("media_type"))
    return {"type": kind, "media_type": media_type} if media_type else {"type": kind}


def _text(blocks: list[Block]) -> str:
    return "".join(block["text"] for block in blocks if block["type"] == "text")


def _text_block(text: str) -> Block:
    return {"type": "text", "text": text}
