"""A store that can be opened again, and the outcomes of the changes that were committed to it."""

from __future__ import annotations

from collections import Counter

from agent_session_manager.sql.store import open_store
from tests.store.promises.stepped_clock import SteppedClock


class OpenedStore:
    """The store on one database. Many runs share it, and each run starts with it empty."""

    def __init__(self, url: str, clock: SteppedClock) -> None:
        self._url = url
        self.clock = clock
        self.store = open_store(url, clock=clock)
        self.outcomes: Counter[tuple[str, bool]] = Counter()
        """The number of successes and of refusals, for each kind of change."""

    def reopen(self) -> None:
        self.store.close()
        self.store = open_store(self._url, clock=self.clock)
