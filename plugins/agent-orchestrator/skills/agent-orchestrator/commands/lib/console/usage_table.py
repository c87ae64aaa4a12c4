"""Usage as a table that fits the terminal. An unknown cost is shown as such, and never as $0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from .output import one_line

Row = dict[str, Any]

COLUMNS = ("REQUESTS", "INPUT", "CACHE READ", "CACHE WRITE", "OUTPUT", "COST")
_COUNTS = ("input_tokens", "cache_read_tokens", "cache_creation_tokens", "output_tokens")
_NANODOLLARS = 10**9
_CENT = 10**7
_UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_GAP = "  "
MIN_NAME_CHARS = 12
OLD_DAYS = 90
"""Age of a table of prices in days after which a note suggests an update."""


def count(number: int) -> str:
    """Return a count with three digits and a unit: `950`, `12.3k`, `1.25M`."""
    sign, size = ("-" if number < 0 else ""), abs(number)
    for unit, letter in _UNITS:
        if size >= unit:
            value = size / unit
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{sign}{value:.{digits}f}{letter}"
    return f"{sign}{size}"


def dollars(nanodollars: int) -> str:
    """Return an amount in cents, or with two digits if it is less than a cent."""
    sign, size = ("-" if nanodollars < 0 else ""), abs(nanodollars)
    if 0 < size < _CENT:
        return f"{sign}${size / _NANODOLLARS:.2g}" if size >= 10**5 else f"{sign}<$0.0001"
    return f"{sign}${size / _NANODOLLARS:,.2f}"


def cost(usage: Row) -> str:
    """Return the cost of usage; `unknown` where it is, and `-` if nothing was used."""
    known, unpriced = usage["cost_nanodollars"], usage["unpriced_tokens"]
    if unpriced > 0:
        return f"{dollars(known)} + unknown" if known else "unknown"
    if known or any(usage[name] for name in _COUNTS):
        return dollars(known)
    return "-"


def lines(rows: Sequence[tuple[str, Row]], *, title: str, width: int | None) -> Iterator[str]:
    """Yield the lines of a table with a row for each name, at most `width` characters wide.

    Only names are shortened, and not below `MIN_NAME_CHARS`. A terminal that is narrower than the
    columns of numbers beside them wraps the lines.
    """
    cells = [[title, *COLUMNS], *([one_line(name), *_cells(row)] for name, row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    if width is not None:
        too_wide = sum(widths) + len(_GAP) * (len(widths) - 1) - width
        widths[0] = min(widths[0], max(widths[0] - max(too_wide, 0), MIN_NAME_CHARS))
    for name, *values in cells:
        numbers = (cell.rjust(size) for cell, size in zip(values, widths[1:], strict=True))
        yield _GAP.join([_shortened(name, widths[0]).ljust(widths[0]), *numbers])


def _cells(row: Row) -> list[str]:
    usage = row["usage"]
    return [count(row["requests"]), *(count(usage[name]) for name in _COUNTS), cost(usage)]


def _shortened(name: str, width: int) -> str:
    """Return a name in the given width. Its end is kept, since paths differ there."""
    return name if len(name) <= width else "…" + name[len(name) - width + 1 :]


def sources(total: Row) -> str:
    """Return the sources of the cost, with the dates of the tables of prices."""
    parts = []
    if total["agent_cost_nanodollars"]:
        parts.append(f"{dollars(total['agent_cost_nanodollars'])} reported by agents")
    if total["newest_prices"] is not None:
        oldest, newest = total["oldest_prices"], total["newest_prices"]
        dates = newest if oldest == newest else f"{oldest} to {newest}"
        parts.append(
            f"{dollars(total['table_cost_nanodollars'])} computed with the prices of {dates}"
        )
    unpriced = total["usage"]["unpriced_tokens"]
    if unpriced > 0:
        parts.append(f"unknown for {count(unpriced)} tokens")
    return f"Cost: {'; '.join(parts)}." if parts else "Cost: nothing was used."


def age_of_prices(total: Row, today: date) -> int | None:
    """Return the age in days of the newest table of prices, if it is old."""
    if total["newest_prices"] is None:
        return None
    age = (today - date.fromisoformat(total["newest_prices"])).days
    return age if age > OLD_DAYS else None
