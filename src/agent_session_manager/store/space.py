"""What a database takes on the disk, and what giving some of that back came to."""

from __future__ import annotations

from dataclasses import dataclass

PAGES_AT_ONCE = 256
"""What a manager gives back between two commits: some 20 ms on a slow disk."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a database takes, and how much of that holds nothing."""

    total_bytes: int
    free_bytes: int
    page_bytes: int


@dataclass(frozen=True, kw_only=True)
class Freed:
    """What a vacuum came to."""

    before_bytes: int
    after_bytes: int

    @property
    def freed_bytes(self) -> int:
        return self.before_bytes - self.after_bytes
