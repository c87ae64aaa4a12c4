"""Gemini CLI: files of one session each, in which records replace earlier ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...format import About, Source
from ...items import BrokenRecordError, FoundEvent, Item, SessionFacts, Title, TitleRank
from ..fields import fields_of, parse_json, session_id_of, text_of, title_line
from ..files import is_inside
from ..titles import prompt_title
from .conversations import Conversation, read_file
from .messages import translate

_CHATS = "chats"
_PATTERNS = ("session-*.json", "session-*.jsonl", "*/*.json", "*/*.jsonl")


class GeminiFormat:
    """The format. A subagent is a session of its own."""

    name = "gemini"
    version = 2
    about = About(
        agent="Gemini CLI",
        places="`.gemini/tmp/*/chats` in `${GEMINI_CLI_HOME:-~}`",
        evidence="samples",
        newest="0.61.0",
        checked="2026-11-27",
        limits="The files do not say how a turn ended, except after an error. A message that was "
        "imported before it was taken back is not marked. A session without a prompt is left out.",
    )

    def roots(self, home: Path, environ: Mapping[str, str]) -> list[Path]:
        """Return the directory that has one directory for each project."""
        place = environ.get("GEMINI_CLI_HOME")
        return [(Path(place) if place else home) / ".gemini" / "tmp"]

    def find(self, root: Path) -> Iterator[Source]:
        """Yield the files of sessions. A `.jsonl` file replaces the `.json` file of its name."""
        for chats in sorted(root.glob(f"*/{_CHATS}")):
            for pattern in _PATTERNS:
                for path in sorted(chats.glob(pattern)):
                    if is_inside(path, root) and not _is_replaced(path):
                        status = path.stat()
                        stamp = f"{status.st_size}:{status.st_mtime_ns}"
                        yield Source(path=path, root=root, stamp=stamp)

    def read(self, source: Source) -> Iterator[Item]:
        """Yield the items of the sessions in a file.

        Raises:
            BrokenRecordError: the file is not of this format.
            OSError: the file cannot be read.
        """
        reader = read_file(source.path)
        yield from reader.problems
        for conversation in reader.conversations.values():
            items = list(_items(conversation))
            if items and all(_is_context(item) for item in items):
                continue  # Gemini CLI writes such a file at each start
            facts = _facts(conversation, source)
            yield facts
            yield from items if facts.title else prompt_title(conversation.session_id, iter(items))


def _is_replaced(path: Path) -> bool:
    return path.suffix == ".json" and path.with_suffix(".jsonl").exists()


def _is_context(item: Item) -> bool:
    """Return whether an item is what the agent tells the model before the first prompt."""
    return isinstance(item, FoundEvent) and item.event.get("origin") == "system"


def _items(conversation: Conversation) -> Iterator[Item]:
    has_prompt = False
    for message_id, message in conversation.messages.items():
        for item in translate(conversation.session_id, message_id, message):
            if isinstance(item, FoundEvent):
                is_prompt = item.event.get("role") == "user" and "origin" not in item.event
                if message_id in conversation.rolled_back:
                    item.event["rolled_back"] = True
                if is_prompt and has_prompt and conversation.is_subagent:
                    item.event["origin"] = "system"
                has_prompt = has_prompt or is_prompt
            yield item


def _facts(conversation: Conversation, source: Source) -> SessionFacts:
    directory = source.path.parent
    is_subagent = directory.name != _CHATS
    project = directory.parent.parent if is_subagent else directory.parent
    title = title_line(text_of(conversation.metadata.get("summary")) or "")
    return SessionFacts(
        session_id=conversation.session_id,
        project_dir=_project_dir(project, source.root),
        title=Title(TitleRank.SUMMARY, title) if title else None,
        parent_session_id=session_id_of(directory.name) if is_subagent else None,
    )


def _project_dir(project: Path, root: Path) -> str | None:
    """Return the directory to which a project's files belong."""
    marker, registry = project / ".project_root", root.parent / "projects.json"
    if is_inside(marker, root):
        return title_line(marker.read_text("utf-8", "replace"))
    if not is_inside(registry, root.parent):
        return None
    try:
        projects = fields_of(fields_of(parse_json(registry.read_bytes())).get("projects"))
    except BrokenRecordError:
        return None
    return next((path for path, name in projects.items() if _names(path, name, project)), None)


def _names(path: str, name: object, project: Path) -> bool:
    """Return whether a project's directory is called by its short name, or by its hash."""
    return project.name in (name, hashlib.sha256(path.encode("utf-8", "replace")).hexdigest())


FORMAT = GeminiFormat()
