"""Session names that an earlier version stored and that are not valid for new sessions."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing

from tests.support.manager import RunningManager


def give_names(manager: RunningManager, names: Mapping[str, str]) -> None:
    """Write names into the database, given as a mapping from session id to name."""
    path = manager.state_dir / "sessions.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany(
            "UPDATE sessions SET session_name = ? WHERE session_id = ?",
            [(name, session_id) for session_id, name in names.items()],
        )
