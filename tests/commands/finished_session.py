"""A finished session, recorded without a run."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from agent_orchestrator.client.manager import ManagerClient


def finished_session(records: ManagerClient, project: Path) -> str:
    """Create a finished session `x` with an answer in this project; return its id."""
    session_id = uuid4().hex
    said = [{"type": "text", "text": "hi"}]
    records.create_named_session(session_id, "x", project_dir=str(project), executor="command")
    message = {"event_type": "message", "role": "assistant", "content": said}
    records.append_events(session_id, [message, {"event_type": "session_stop", "exit_code": 0}])
    return session_id
