"""A large database, written through the store before a manager opens it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from agent_session_manager.domain.errors import OrchestratorError
from agent_session_manager.sql.store import open_store
from agent_session_manager.store.change import Change
from agent_session_manager.store.protocol import Store

CHANGES_AT_ONCE = 500


@contextmanager
def opened_store(state_dir: Path) -> Iterator[Store]:
    """Open the store of a manager with this state directory; the manager must not be running."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = open_store(f"sqlite:///{state_dir / 'sessions.db'}", clock=lambda: datetime.now(UTC))
    try:
        yield store
    finally:
        store.close()


def fill(state_dir: Path, changes: Iterable[Change[Any]]) -> None:
    with opened_store(state_dir) as store:
        waiting = iter(changes)
        while batch := list(islice(waiting, CHANGES_AT_ONCE)):
            refused = [o for o in store.commit(batch) if isinstance(o, OrchestratorError)]
            assert refused == []
