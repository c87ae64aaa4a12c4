"""The lines of a search: a heading for each session, and a line for each hit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import Any

from ..terminal.cells import broken, cells_of
from ..terminal.output import local_parts, one_line, short_id
from ..terminal.screen import Screen

Hit = dict[str, Any]

_KINDS = {"tool_input": "input", "tool_output": "output"}
_MIN_TEXT = 40
"""Cells for a text beside its place; with fewer, it is below."""


def lines(hits: list[Hit], screen: Screen, zone: tzinfo | None = None) -> Iterator[str]:
    """Yield the lines of hits in their order. A heading is repeated if its session comes again."""
    kinds = [_kind(hit) for hit in hits]
    of_seq = max((len(str(hit["seq"])) for hit in hits), default=0)
    of_kind = max(map(len, kinds), default=0)
    of_session = None
    for hit, kind in zip(hits, kinds, strict=True):
        if hit["session_id"] != of_session:
            of_session = hit["session_id"]
            yield heading(hit, screen)
        day, _, time = local_parts(hit["occurred_at"], zone)
        place = f"  {hit['seq']:>{of_seq}}  {day} {time[:5]}  {kind:<{of_kind}}  "
        yield from _beside(place, hit["snippet"], screen)


def heading(session: dict[str, Any], screen: Screen) -> str:
    """Return the name of a session, the beginning of its id, and its project."""
    name = screen.styled(one_line(session["session_name"]), bold=True)
    return f"{name}  {short_id(session['session_id'])}  {one_line(session['project_dir'] or '')}"


def _beside(place: str, found: dict[str, Any], screen: Screen) -> Iterator[str]:
    """Yield a place and its snippet, which a terminal shows beside the place or below it."""
    if screen.width is None:
        yield place + next(snippet(found, screen))
        return
    indent = cells_of(place)
    if screen.width - indent < _MIN_TEXT:
        yield place.rstrip()
        place, indent = "    ", 4
    for line in snippet(found, screen, cells=max(screen.width - indent, 1)):
        yield place + line
        place = " " * indent


def snippet(found: dict[str, Any], screen: Screen, *, cells: int | None = None) -> Iterator[str]:
    """Yield the lines of a snippet with its matches in bold.

    Each piece is cleaned on its own, so what it contains cannot hide or move the next one.
    """
    text, at = found["text"], 0
    shown = "" if found["is_beginning"] else "…"
    matches: list[tuple[int, int]] = []
    for match in found["ranges"]:
        start, end = max(at, match["start"]), match["end"]
        if end > start:
            shown += _clean(text[at:start])
            begin = len(shown)
            shown += _clean(text[start:end])
            matches.append((begin, len(shown)))
            at = end
    shown += _clean(text[at:]) + ("" if found["is_end"] else "…")
    for first, last in [(0, len(shown))] if cells is None else broken(shown, cells):
        yield _styled(shown, first, last, matches, screen)


def _styled(
    text: str, first: int, last: int, matches: list[tuple[int, int]], screen: Screen
) -> str:
    """Return a part of a text, with the parts of matches in it in bold."""
    pieces, at = [], first
    for start, end in matches:
        begin, stop = max(start, first), min(end, last)
        if begin < stop:
            pieces += [text[at:begin], screen.styled(text[begin:stop], bold=True)]
            at = stop
    return "".join([*pieces, text[at:last]])


def _clean(piece: str) -> str:
    """Clean a piece of a line. The blanks at its ends stay, as the neighbours need them."""
    return one_line(f".{piece}.")[1:-1]


def _kind(hit: Hit) -> str:
    kind = _KINDS.get(hit["kind"]) or hit["kind"]
    return one_line(f"{hit['tool_name'] or ''} {kind}")
