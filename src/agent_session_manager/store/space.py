"""The disk space of a database, and the space that a vacuum freed."""

from __future__ import annotations

from dataclasses import dataclass

PAGES_AT_ONCE = 256
"""Number of pages that a manager frees between two commits: about 20 ms on a slow disk."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """The size of a database, and the unused part of it."""

    total_bytes: int
    free_bytes: int
    page_bytes: int


@dataclass(frozen=True, kw_only=True)
class Freed:
    """The result of a vacuum."""

    before_bytes: int
    after_bytes: int

    @property
    def freed_bytes(self) -> int:
        return self.before_bytes - self.after_bytes
