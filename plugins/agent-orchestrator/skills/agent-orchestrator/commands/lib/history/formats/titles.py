"""Makes titles of prompts, for sessions that have no other title."""

from __future__ import annotations

from collections.abc import Iterator

from ..items import FoundEvent, Item, SessionFacts, Title, TitleRank
from .fields import list_of, title_line


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
