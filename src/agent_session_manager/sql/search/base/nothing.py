"""An index that has not begun."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from agent_session_manager.search.match import Match
from agent_session_manager.sql.search.base.reading import Batch
from agent_session_manager.sql.search.base.stored_text import StoredText
from agent_session_manager.store.search import Narrowed


class NothingIndexed:
    """The state of an index without texts."""

    through = 0
    skips_sessions = False

    def matches(self, match: Match, *, below: int) -> Iterator[Batch]:
        return iter(())

    def scores(self, match: Match, numbers: list[int]) -> dict[int, float]:
        return {}

    def sessions(
        self, numbers: list[int], since: datetime | None, until: datetime | None
    ) -> dict[int, int]:
        return {}

    def texts(self, numbers: Iterable[int]) -> dict[int, tuple[int, StoredText]]:
        return {}

    def having(self, parts: list[str], limit: int) -> Narrowed | None:
        return None

    def named(self, match: Match, limit: int) -> list[int]:
        return []
