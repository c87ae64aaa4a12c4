"""Lines of the board: pieces of text, each with a look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from ...console.terminal.cells import cells_of, cut
from ...console.terminal.output import clean, one_line

Piece = tuple[str, str]
"""The name of a look, and a text."""
Line = list[Piece]

LOOKS: Mapping[str, Mapping[str, Any]] = {
    "": {},
    "head": {"bold": True},
    "chosen": {"bold": True},
    "quiet": {"dim": True},
    "key": {"bold": True},
    "error": {"fg": "red", "bold": True},
    "asks": {"fg": "yellow", "bold": True},
    "failed": {"fg": "red", "bold": True},
    "warn": {"fg": "yellow"},
    "running": {"fg": "cyan"},
    "done": {"fg": "green"},
    "added": {"fg": "green"},
    "removed": {"fg": "red"},
}
"""Looks in the words of `click.style`. None of them tells anything that the text does not."""
CURSOR = "cursor"
"""The look of an empty piece at the place of the cursor, which screen readers follow."""

_JOINERS = str.maketrans("", "", "\u200d\ufe0e\ufe0f")


def shown(text: str) -> str:
    """Return the text as part of a line, without control characters.

    Characters that join emoji are left out: terminals do not agree how wide the result is.
    """
    return one_line(text).translate(_JOINERS)


def width_of(line: Line) -> int:
    return sum(cells_of(text) for _, text in line)


def cut_line(line: Line, width: int) -> Line:
    """Return a line that takes at most `width` cells."""
    fitted: Line = []
    for look, text in line:
        left = width - width_of(fitted)
        if text and left <= 0:
            break
        fitted.append((look, cut(text, left)))
    return fitted


def filled(left: Line, right: Line, width: int) -> Line:
    """Return a line with a part at each side; without room for both, only the left one."""
    gap = width - width_of(left) - width_of(right)
    return [*left, ("", " " * gap), *right] if gap > 0 else left


@lru_cache(maxsize=16)
def wrapped(text: str, width: int) -> tuple[str, ...]:
    """Return the lines of a text, broken at blanks where possible."""
    lines = clean(text).expandtabs(4).translate(_JOINERS).split("\n")
    return tuple(part for line in lines for part in broken(line.rstrip(), width))


def broken(line: str, width: int) -> Iterator[str]:
    """Yield a line in parts that are `width` cells wide at most; only blanks at breaks are lost."""
    begin = 0
    while (end := _fitting(line, begin, width)) < len(line):
        blank = line.rfind(" ", begin, end)
        if line[begin : blank + 1].strip():
            end = blank + 1
        yield line[begin:end].rstrip()
        begin = end
    yield line[begin:]


def _fitting(line: str, begin: int, width: int) -> int:
    """Return the end of the part of a line that begins there and fits; it has a character."""
    taken = 0
    for place in range(begin, len(line)):
        taken += cells_of(line[place])
        if taken > width:
            return max(place, begin + 1)
    return len(line)
