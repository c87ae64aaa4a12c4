"""What a manager answers, for tests in which none of ours does."""

from __future__ import annotations

from typing import Any

from agent_orchestrator.client.answers import SESSION

_MOMENT = "2026-01-01T10:00:00+00:00"


def a_session(session_id: str) -> dict[str, Any]:
    """What commands rely on of a session that runs, with its lease."""
    return {
        **dict.fromkeys(SESSION),
        "session_id": session_id,
        "session_name": "x",
        "status": "running",
        "last_seq": 1,
        "run": 1,
        "last_activity_at": _MOMENT,
        "started_at": _MOMENT,
        "lease": {"holder": "h", "expires_at": _MOMENT},
    }
