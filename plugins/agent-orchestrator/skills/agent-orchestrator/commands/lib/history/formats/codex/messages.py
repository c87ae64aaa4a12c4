"""Texts of a rollout: content of messages, and who wrote them."""

from __future__ import annotations

from ....events.cut_text import join_texts
from ...items import BrokenRecordError
from ..fields import Fields, Json, optional_record, optional_text

PERSON, SYSTEM, COMMAND = "person", "system", "command"

_INJECTED = (
    "<environment_context>",
    "<user_instructions>",
    "<turn_aborted>",
    "<subagent_notification>",
    "<permissions instructions>",
    "<skills_instructions>",
    "<apps_instructions>",
    "<collaboration_mode>",
    "<multi_agent_mode>",
    "<model_switch>",
    "<personality_spec>",
    "<skill>",
    "<INSTRUCTIONS>",
    "# AGENTS.md instructions",
)
"""Beginnings of texts that Codex adds to the prompts of a person."""
_COMMAND_MARK = "<user_shell_command>"
_COMMAND_KIND = "shell.user_command"
_PERSON_KIND = "user."
_UNKNOWN_KIND = "unknown"
_EDITOR_MARK = "## My request for Codex:"
"""Ends the context of an editor, which precedes the words of the person."""


def content_blocks(record: Fields) -> list[dict[str, Json]]:
    """Return the content of a message in the form of events. The bytes of images are left out."""
    content = record.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list_blocks(content)


def list_blocks(content: Json) -> list[dict[str, Json]]:
    """Return the blocks of a list of texts and images."""
    if content is None:
        return []
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise BrokenRecordError("content is not a list of blocks")
    return [block for part in content for block in _block(part)]


def _block(part: Fields) -> list[dict[str, Json]]:
    if part.get("type") in ("input_image", "image"):
        url = optional_text(part, "image_url") or ""
        if not url.startswith("data:"):
            return [{"type": "image", "url": url}]
        media_type = url[len("data:") : 100].partition(";")[0]
        return [{"type": "image", "media_type": media_type}]
    words = optional_text(part, "text")
    return [{"type": "text", "text": words}] if words else []


def author(record: Fields) -> str:
    """Return who wrote a message of the role `user`: `PERSON`, `SYSTEM` or `COMMAND`."""
    authors = {found for _, found in _authors(record)}
    if PERSON in authors:
        return PERSON
    return COMMAND if COMMAND in authors else SYSTEM


def names_authors(record: Fields) -> bool:
    """Return whether a message names the author of each of its texts."""
    about = optional_record(record, "internal_chat_message_metadata_passthrough")
    kinds = about.get("content_item_kinds")
    return isinstance(kinds, list) and any(
        isinstance(kind, str) and kind.startswith(_PERSON_KIND) for kind in kinds
    )


def prompt(record: Fields) -> str | None:
    """Return the first text of a message that a person wrote."""
    for words, found in _authors(record):
        if found == PERSON and words.strip():
            return words.rpartition(_EDITOR_MARK)[2]
    return None


def _authors(record: Fields) -> list[tuple[str, str]]:
    """Return the text and the author of each part of a message."""
    content = record.get("content")
    parts = [{"text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list):
        return []
    about = optional_record(record, "internal_chat_message_metadata_passthrough")
    kinds = about.get("content_item_kinds")
    if not isinstance(kinds, list) or len(kinds) != len(parts):
        kinds = [_UNKNOWN_KIND] * len(parts)
    return [
        (words, _author(kind, words))
        for part, kind in zip(parts, kinds, strict=True)
        if isinstance(part, dict)
        for words in [optional_text(part, "text") or ""]
    ]


def _author(kind: Json, words: str) -> str:
    if isinstance(kind, str) and kind != _UNKNOWN_KIND:
        if kind == _COMMAND_KIND:
            return COMMAND
        return PERSON if kind.startswith(_PERSON_KIND) else SYSTEM
    if words.lstrip().startswith(_COMMAND_MARK):
        return COMMAND
    return SYSTEM if words.lstrip().startswith(_INJECTED) else PERSON


def reasoning(record: Fields) -> str | None:
    """Return the readable part of a reasoning: its summary, or else its content."""
    for key in ("summary", "content"):
        words = [block["text"] for block in list_blocks(record.get(key)) if "text" in block]
        if words:
            return join_texts(words, "\n\n")
    return None
