"""Reads facts about a session of opencode."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...items import ForkPoint, FoundEvent, Item, SessionFacts, Title, TitleRank
from ..fields import Fields, Json, list_of, session_id_of, text_of, title_line

_DEFAULT_TITLE = re.compile(r"(New|Child) session - \d{4}-\d\d-\d\dT.*")
"""The title until the agent has made one."""


def facts(session_id: str, row: Fields, worktree: Json = None) -> SessionFacts:
    """Return the facts in a session's row."""
    title = title_line(text_of(row.get("title")) or "")
    if title and _DEFAULT_TITLE.fullmatch(title):
        title = None
    origin = session_id_of(row.get("fork_session_id"))
    return SessionFacts(
        session_id=session_id,
        project_dir=text_of(row.get("directory")) or text_of(worktree),
        title=Title(TitleRank.GENERATED, title) if title else None,
        parent_session_id=session_id_of(row.get("parent_id")),
        forked_from=ForkPoint(origin) if origin else None,
        agent_version=text_of(row.get("version")),
    )


def prompt_title(session_id: str, items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items, and before the first prompt a title that is made of it."""
    for item in items:
        if isinstance(item, FoundEvent) and (title := _title_of(item)):
            yield SessionFacts(session_id=session_id, title=Title(TitleRank.PROMPT, title))
            yield item
            break
        yield item
    yield from items


def _title_of(item: FoundEvent) -> str | None:
    found = item.event
    if found.get("role") != "user" or "origin" in found:
        return None
    texts = (block.get("text") for block in list_of(found.get("content")))
    return next((title for text in texts if text and (title := title_line(text))), None)
