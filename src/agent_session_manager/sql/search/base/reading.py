"""The reads of an index that a search needs, in both databases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple, Protocol

from agent_session_manager.search.match import Match
from agent_session_manager.sql.search.base.stored_text import StoredText
from agent_session_manager.store.search import Narrowed

MAX_NUMBER = 2**63 - 1


class Batch(NamedTuple):
    """Texts that match, newest first. No other match has a number of `reached` or more."""

    numbers: list[int]
    reached: int


class IndexReading(Protocol):
    """One state of an index, open for the time of a search."""

    @property
    def through(self) -> int:
        """Number of the newest event in the index."""

    @property
    def skips_sessions(self) -> bool:
        """True if a search that excludes more sessions begins again at little cost."""

    def matches(self, match: Match, *, below: int) -> Iterator[Batch]:
        """Yield the matches below a number, newest first, in batches that may be empty."""

    def scores(self, match: Match, numbers: list[int]) -> dict[int, float]:
        """Return the rank of matches, given newest first; the best has the highest."""

    def sessions(
        self, numbers: list[int], since: datetime | None, until: datetime | None
    ) -> dict[int, int]:
        """Return the sessions of those of the texts whose events happened in a period."""

    def texts(self, numbers: Iterable[int]) -> dict[int, tuple[int, StoredText]]:
        """Return the time in microseconds and the text, by number."""

    def having(self, parts: list[str], limit: int) -> Narrowed | None:
        """Return the sessions with all of the parts; None if they are more than `limit`."""

    def named(self, match: Match, limit: int) -> list[int]:
        """Return the numbers of sessions whose names match, the newest first."""
