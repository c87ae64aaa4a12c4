"""Texts in cells of a terminal. An ideograph or an emoji takes two."""

from __future__ import annotations

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
