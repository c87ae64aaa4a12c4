"""A session whose first run is open, for tests without a store."""

from __future__ import annotations

from datetime import UTC, datetime

from agent_session_manager.domain.sessions.session import Run, Session, Usage

BEGUN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RUNNING = Session(
    session_id="s",
    generation="first",
    session_name="s",
    project_dir=None,
    agent_name=None,
    created_at=BEGUN,
    last_resumed_at=None,
    last_activity_at=BEGUN,
    executor=None,
    parent_session_id=None,
    archived_at=None,
    unique_name=False,
    last_seq=0,
    usage=Usage(),
    newest_run=Run(run=1, started_at=BEGUN),
    child_count=0,
)
