"""The refusal of a database that a store cannot open."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.store import open_store
from tests.store.promises.stepped_clock import SteppedClock


def refusal(database: str | Path) -> str:
    """Return the error message for this URL or SQLite file."""
    url = f"sqlite:///{database}" if isinstance(database, Path) else database
    with pytest.raises(DatabaseError) as caught:
        open_store(url, clock=SteppedClock()).close()
    return str(caught.value)
