"""Unified diffs in a limited time, also of texts that an agent makes up.

`difflib` needs minutes for some texts of 200,000 characters. This compares as git does, with the
algorithm of Myers (1986), whose time grows with the number of changes. Texts with many changes are
shown as one change, from the first line that differs to the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

MAX_EDITS = 500
"""Lines that are removed or added in an exact diff."""
MAX_STEPS = 1_000_000
"""Comparisons of an exact diff."""
CONTEXT = 3

Lines = Sequence[str]


class _Change(NamedTuple):
    """Lines of the old text, as a half-open range, and the lines of the new one in their place."""

    old: int
    old_end: int
    new: int
    new_end: int


def unified_diff(before: str, after: str, *, old_name: str, new_name: str) -> str:
    """Return the unified diff of two texts, which is empty if their lines are equal."""
    old, new = _lines(before), _lines(after)
    hunks = "".join(_hunk(old, new, group) for group in _groups(_changes(old, new)))
    return f"--- {old_name}\n+++ {new_name}\n{hunks}" if hunks else ""


def _lines(text: str) -> Lines:
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def _changes(old: Lines, new: Lines) -> Iterator[_Change]:
    start = _count_equal(old, new)
    rest = _count_equal(old[start:][::-1], new[start:][::-1])
    end, new_end = len(old) - rest, len(new) - rest
    pairs = _pairs(old[start:end], new[start:new_end])
    last, new_last = start, start
    for x, y in [(start + x, start + y) for x, y in pairs] + [(end, new_end)]:
        if (x, y) != (last, new_last):
            yield _Change(last, x, new_last, y)
        last, new_last = x + 1, y + 1


def _count_equal(old: Lines, new: Lines) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _pairs(old: Lines, new: Lines) -> list[tuple[int, int]]:
    """Return the lines that stay, in order; none if that would take too long to find."""
    furthest, steps = {1: 0}, 0
    trace: list[dict[int, int]] = []
    for edits in range(min(len(old) + len(new), MAX_EDITS) + 1):
        trace.append(furthest.copy())
        for diagonal in range(-edits, edits + 1, 2):
            x = furthest_x = _next(furthest, diagonal, edits)[1]
            y = x - diagonal
            while x < len(old) and y < len(new) and old[x] == new[y]:
                x, y = x + 1, y + 1
            furthest[diagonal] = x
            if x >= len(old) and y >= len(new):
                return _traced(trace, len(old), len(new))
            steps += 1 + x - furthest_x
        if steps > MAX_STEPS:
            break
    return []


def _next(furthest: dict[int, int], diagonal: int, edits: int) -> tuple[int, int]:
    """Return the diagonal before, and where the next edit from there leads to."""
    is_addition = diagonal == -edits or (
        diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1]
    )
    before = diagonal + 1 if is_addition else diagonal - 1
    return before, furthest[before] + (not is_addition)


def _traced(trace: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    pairs = []
    for edits in range(len(trace) - 1, -1, -1):
        before, _ = _next(trace[edits], x - y, edits)
        begin = trace[edits][before]
        while x > begin and y > begin - before:
            x, y = x - 1, y - 1
            pairs.append((x, y))
        x, y = begin, begin - before
    return pairs[::-1]


def _groups(changes: Iterator[_Change]) -> Iterator[list[_Change]]:
    """Yield the changes of each hunk: those whose contexts touch."""
    group: list[_Change] = []
    for change in changes:
        if group and change.old - group[-1].old_end > 2 * CONTEXT:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _hunk(old: Lines, new: Lines, changes: Sequence[_Change]) -> str:
    first, last = changes[0], changes[-1]
    lead = min(CONTEXT, first.old, first.new)
    trail = min(CONTEXT, len(old) - last.old_end)
    at = first.old - lead
    lines = []
    for change in changes:
        lines += [f" {line}" for line in old[at : change.old]]
        lines += [f"-{line}" for line in old[change.old : change.old_end]]
        lines += [f"+{line}" for line in new[change.new : change.new_end]]
        at = change.old_end
    lines += [f" {line}" for line in old[at : at + trail]]
    ranges = (
        _range(first.old - lead, last.old_end + trail),
        _range(first.new - lead, last.new_end + trail),
    )
    return "\n".join([f"@@ -{ranges[0]} +{ranges[1]} @@", *lines, ""])


def _range(begin: int, end: int) -> str:
    """Return lines from 0 as the unified form has them; an empty range begins a line before."""
    count = end - begin
    return f"{begin + 1}" if count == 1 else f"{begin + (count > 0)},{count}"
