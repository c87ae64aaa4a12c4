"""The manager with deadlines of half a second, for tests in which they pass."""

from __future__ import annotations

from agent_session_manager.transport import connection, deadlines
from tests.support.replacing import replace_in


def shorten_deadlines() -> None:
    """Change the manager that this process will serve."""
    replace_in(deadlines, STALLED_SECONDS=0.5)
    connection.Protocol.head_seconds = connection.Protocol.body_seconds = 0.5
