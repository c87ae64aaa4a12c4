"""The rows of the board in columns that fit the width of the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from ...console.terminal.cells import cells_of, cut
from .line import CURSOR, Line
from .row import Row

_COLUMNS = ("name", "project", "why", "cost", "age")
_RIGHT = ("cost", "age")
_MOST = {"name": 24, "project": 16}
_MIN_NAME = 12
_MIN_WHY = 24
_GAP = "  "
_MARGIN = 4
"""Cells before the name: the pointer and the sign."""

Widths = dict[str, int]


def widths_of(rows: Sequence[Row], width: int) -> Widths:
    """Return the widths of the columns.

    A narrow terminal does without the projects, then has shorter names, then no costs.
    """
    widths = {
        column: min(_MOST.get(column, width), max(cells_of(getattr(row, column)) for row in rows))
        for column in _COLUMNS
    }
    widths = {column: cells for column, cells in widths.items() if cells or column == "why"}

    def left() -> int:
        others = sum(cells for column, cells in widths.items() if column != "why")
        return width - _MARGIN - others - len(_GAP) * (len(widths) - 1)

    if left() < _MIN_WHY:
        widths.pop("project", None)
    missing = max(0, _MIN_WHY - left())
    widths["name"] = max(min(widths["name"], _MIN_NAME), widths["name"] - missing)
    if left() < _MIN_WHY:
        widths.pop("cost", None)
    widths["why"] = max(left(), 1)
    return widths


def line_of(row: Row, widths: Widths, *, is_chosen: bool) -> Line:
    """Return the line of a row. The chosen one has a pointer and the cursor."""
    pointer = [(CURSOR, ""), ("chosen", "❯ ")] if is_chosen else [("", "  ")]
    line: Line = [*pointer, ("quiet" if row.is_seen else row.look, row.sign), ("", " ")]
    for place, (column, width) in enumerate(widths.items()):
        text = cut(getattr(row, column), width)
        space = " " * (width - cells_of(text))
        look = "quiet" if row.is_seen or column in ("project", "cost", "age") else ""
        if is_chosen and column == "name":
            look = "chosen"
        padded = space + text if column in _RIGHT else text + space
        line += [("", _GAP if place else ""), (look, padded)]
    return line
