"""Usage as a table that fits the terminal. An unknown cost is shown as such, and never as $0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from ..terminal.cells import broken
from ..terminal.output import one_line
from ..terminal.screen import Screen

Row = dict[str, Any]

COLUMNS = ("REQUESTS", "INPUT", "CACHE READ", "CACHE WRITE", "OUTPUT", "COST")
_COUNTS = ("input_tokens", "cache_read_tokens", "cache_creation_tokens", "output_tokens")
_NANODOLLARS = 10**9
_CENT = 10**7
_UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_GAP = "  "
_LEFT_OUT = ("CACHE WRITE", "CACHE READ", "REQUESTS")
"""Columns that a narrow terminal leaves out, the first one first."""
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


def lines(rows: Sequence[tuple[str, Row]], *, title: str, screen: Screen) -> Iterator[str]:
    """Yield the lines of a table with a row for each name, and the sources of the cost of the last.

    A narrow terminal has shorter names, but not below `MIN_NAME_CHARS`, and leaves out columns.
    One that is narrower than the others wraps the lines.
    """
    cells = [
        {title: one_line(name), **dict(zip(COLUMNS, values, strict=True))}
        for name, values in ((title, COLUMNS), *((name, _cells(row)) for name, row in rows))
    ]
    widths = {column: max(len(row[column]) for row in cells) for column in cells[0]}
    if screen.width is not None:
        widths = _fitted(widths, title, screen.width)
    for row in cells:
        numbers = (row[column].rjust(size) for column, size in widths.items() if column != title)
        yield _GAP.join([_shortened(row[title], widths[title]).ljust(widths[title]), *numbers])
    told = sources(rows[-1][1])
    for begin, end in broken(told, screen.width or len(told)):
        yield told[begin:end]


def _fitted(widths: dict[str, int], title: str, width: int) -> dict[str, int]:
    fitted = {**widths, title: min(widths[title], MIN_NAME_CHARS)}

    def left() -> int:
        return width - sum(fitted.values()) - len(_GAP) * (len(fitted) - 1)

    for column in _LEFT_OUT:
        if left() < 0:
            del fitted[column]
    fitted[title] = min(widths[title], fitted[title] + max(left(), 0))
    return fitted


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
