"""Code blocks in texts of people and models.

Only the plainest form counts: fences of backticks that are at the begin of their lines. Everything
else, such as a fence in a list, is part of the text around it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from agent_session_manager.export.document.text import visible

_FENCE = re.compile(r"(`{3,})([A-Za-z0-9+#.-]{0,20}) *")


def segments(text: str) -> Iterator[tuple[str | None, list[str]]]:
    """Yield the lines of each code block, with its language, and of each text between them.

    A text has None in place of a language. Fences are left out.
    """
    lines = visible(text).split("\n")
    around: list[str] = []
    place = 0
    endless = sys.maxsize  # the shortest fence that no later line ends
    while place < len(lines):
        fence = _FENCE.fullmatch(lines[place])
        end = place
        if fence is not None and len(fence[1]) < endless:
            end = _end_of_fence(lines, place, len(fence[1]))
            endless = len(fence[1]) if end == place else endless
        if fence is None or end == place:
            around.append(lines[place])
            place += 1
            continue
        if around:
            yield None, around
            around = []
        yield fence[2], lines[place + 1 : end]
        place = end + 1
    if around:
        yield None, around


def _end_of_fence(lines: list[str], begin: int, length: int) -> int:
    """Return the line that ends a code block, or its first line if none does."""
    for place in range(begin + 1, len(lines)):
        line = lines[place].rstrip(" ")
        if len(line) >= length and not line.strip("`"):
            return place
    return begin
