"""Sizes, for people."""

from __future__ import annotations


def size_text(size: int) -> str:
    """Return a number of bytes in readable form: `900 bytes`, `12 KB`, `1.5 MB`."""
    if size < 1000:
        return f"{size} bytes"
    if size < 1_000_000:
        return f"{round(size / 1000)} KB"
    return f"{size / 1_000_000:.1f} MB"
