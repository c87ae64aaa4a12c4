"""A number with its noun, for people."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return a count with a noun, which is in the singular: `1 session`, `1,200 sessions`."""
    return f"{count:,} {noun if count == 1 else plural(noun)}"


def plural(noun: str) -> str:
    if noun.endswith("y"):
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "h")) else "s")
