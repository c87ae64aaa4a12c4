"""The lines of a search: a heading for each session, and a line for each hit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from .output import local_parts, one_line, short_id

Hit = dict[str, Any]

_KINDS = {"tool_input": "input", "tool_output": "output"}


def lines(hits: list[Hit]) -> Iterator[str]:
    """Yield the lines of hits in their order. A heading is repeated if its session comes again."""
    kinds = [_kind(hit) for hit in hits]
    of_seq = max((len(str(hit["seq"])) for hit in hits), default=0)
    of_kind = max(map(len, kinds), default=0)
    of_session = None
    for hit, kind in zip(hits, kinds, strict=True):
        if hit["session_id"] != of_session:
            of_session = hit["session_id"]
            yield heading(hit)
        day, _, time = local_parts(hit["occurred_at"])
        place = f"{hit['seq']:>{of_seq}}  {day} {time[:5]}  {kind:<{of_kind}}"
        yield f"  {place}  {snippet(hit['snippet'])}"


def heading(session: dict[str, Any]) -> str:
    """Return the name of a session, the beginning of its id, and its project."""
    name = click.style(one_line(session["session_name"]), bold=True)
    return f"{name}  {short_id(session['session_id'])}  {one_line(session['project_dir'] or '')}"


def snippet(found: dict[str, Any]) -> str:
    """Return the text of a snippet with its matches in bold.

    Each piece is cleaned on its own, so what it contains cannot hide or move the next one.
    """
    text, at, pieces = found["text"], 0, []
    for match in found["ranges"]:
        start, end = max(at, match["start"]), match["end"]
        if end > start:
            pieces += [_clean(text[at:start]), click.style(_clean(text[start:end]), bold=True)]
            at = end
    begin = "" if found["is_beginning"] else "…"
    return f"{begin}{''.join(pieces)}{_clean(text[at:])}{'' if found['is_end'] else '…'}"


def _clean(piece: str) -> str:
    """Clean a piece of a line. The blanks at its ends stay, as the neighbours need them."""
    return one_line(f".{piece}.")[1:-1]


def _kind(hit: Hit) -> str:
    kind = _KINDS.get(hit["kind"]) or hit["kind"]
    return one_line(f"{hit['tool_name'] or ''} {kind}")
