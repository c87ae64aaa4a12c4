"""Times and amounts of money in few words."""

from __future__ import annotations

from typing import Any

_NANODOLLARS = 10**9
_CENT = 10**7
_COUNTS = (
    *("input_tokens", "cache_read_tokens", "cache_creation_tokens", "output_tokens"),
    "unpriced_tokens",
)


def duration(seconds: float) -> str:
    """Return a time in its two largest units: `3.1 s`, `42 s`, `12 min 3 s`, `5 h 7 min`."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def money(usage: dict[str, Any], *, is_counting: bool = False) -> str:
    """Return the cost of usage in cents: `$0.07`, `<$0.01`, `unknown`; empty without any usage.

    `>$0.07` means that a part is unknown, and `…` at the end that the run continues.
    """
    more = "…" if is_counting else ""
    if not any(usage.get(name) for name in (*_COUNTS, "cost_nanodollars")):
        return more
    known, unpriced = usage.get("cost_nanodollars") or 0, usage.get("unpriced_tokens") or 0
    if unpriced and not known:
        return "unknown"
    sign = ">" if unpriced else "<" if 0 < known < _CENT else ""
    amount = max(known, _CENT) if sign == "<" else known
    return f"{sign}${amount / _NANODOLLARS:,.2f}{more}"
