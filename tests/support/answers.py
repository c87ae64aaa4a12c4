"""Responses of a manager, for tests that talk to a stand-in server."""

from __future__ import annotations

from typing import Any

from agent_orchestrator.client.answers import SESSION

_MOMENT = "2026-01-01T10:00:00+00:00"


def a_session(session_id: str) -> dict[str, Any]:
    """Return the fields of a running session, with its lease, that commands rely on."""
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
