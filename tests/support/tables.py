"""Queries on a database that no manager serves."""

from __future__ import annotations

from pathlib import Path

from agent_session_manager.sql.care.readonly import reading_alone


def ids_in(path: Path) -> set[str]:
    """Return the `event_id` of every event that has one."""
    with reading_alone(path) as connection:
        rows = connection.execute("SELECT event_id FROM events WHERE event_id IS NOT NULL")
        return {event_id for (event_id,) in rows}
