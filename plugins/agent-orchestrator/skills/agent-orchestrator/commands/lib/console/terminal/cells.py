"""Texts in cells of a terminal. An ideograph or an emoji takes two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from unicodedata import category, east_asian_width

_JOINER = "\u200d"
_EMOJI_FORM = "\ufe0f"
_NO_CELL = ("Mn", "Me", "Cf")


def cells_of(text: str) -> int:
    """Return the number of cells that a line takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(last, character) for last, character in pairwise(" " + text))


def _cells(last: str, character: str) -> int:
    """Return the number of cells that a character adds to the one before it."""
    if character == _EMOJI_FORM:
        return 0 if east_asian_width(last) in "WF" else 1
    if last == _JOINER or category(character) in _NO_CELL:
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def cut(text: str, cells: int) -> str:
    """Return a line that takes at most `cells` cells, with `…` in place of its end."""
    if cells_of(text) <= cells:
        return text
    taken = 0
    for place, (last, character) in enumerate(pairwise(" " + text)):
        taken += _cells(last, character)
        if taken > cells - 1:
            return text[:place].rstrip() + "…"
    return text


def broken(text: str, cells: int) -> Iterator[tuple[int, int]]:
    """Yield the begin and the end of each line of a text, broken at blanks where it is possible."""
    start = blank = taken = 0
    for place, (last, character) in enumerate(pairwise(" " + text)):
        taken += _cells(last, character)
        if character == " ":
            blank = place
        if taken > cells:
            end = blank if blank > start else place
            yield start, end
            start = end + (text[end] == " ")
            taken = cells_of(text[start : place + 1])
    yield start, len(text)


def filled(parts: Sequence[str], cells: int | None, *, between: str) -> list[str]:
    """Return lines with as many of the parts as fit; the lines after the first are indented."""
    lines = [parts[0]]
    for part in parts[1:]:
        longer = f"{lines[-1]}{between}{part}"
        if cells is None or cells_of(longer) <= cells:
            lines[-1] = longer
        else:
            lines.append(f"  {part}")
    return lines
