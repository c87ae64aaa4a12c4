"""The workload of every server: the same sessions and the same events.

One connection writes one session, as a supervisor does. Every round has new sessions, because a
session that only grows would measure its index. An event is a tool call of about 300 bytes with a
random id, as clients create them. So every server must look each id up, and ids are not adjacent.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

SESSIONS = 16
MAX_ROUNDS = 32


def session_ids(round: int) -> list[str]:
    """Return ids in the form that commands use, the same in every process."""
    names = (f"benchmark {round} {number}" for number in range(SESSIONS))
    return [str(uuid5(NAMESPACE_OID, name)) for name in names]


def all_session_ids() -> list[str]:
    return [session_id for round in range(MAX_ROUNDS) for session_id in session_ids(round)]


def event(session_id: str) -> dict[str, Any]:
    return {
        "event_type": "post_tool",
        "event_id": uuid4().hex,
        "session_id": session_id,
        "session_name": "benchmark",
        "timestamp": "2026-01-01T12:00:00.000000Z",
        "tool_name": "Bash",
        "tool_input": {"command": "grep -rn 'group commit' src"},
        "tool_output": "src/ingest.py: Changes that arrive later share the next commit",
        "error": None,
    }


def dump(value: Any) -> bytes:
    """Return JSON as `SessionClient` writes it."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
