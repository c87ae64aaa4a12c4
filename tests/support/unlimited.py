"""The manager without its limits and deadlines: every test of the limits must fail with it."""

from __future__ import annotations

from starlette.types import ASGIApp

from agent_session_manager.api import app
from agent_session_manager.api.http import body
from agent_session_manager.transport import connection, deadlines
from tests.support.replacing import replace_in


def without_limits(served: ASGIApp) -> ASGIApp:
    return served


def remove_limits() -> None:
    """Change the manager that this process will serve."""
    replace_in(app, Admission=without_limits)
    replace_in(body, MAX_DEPTH=10**9, MAX_PARTS=10**9)
    replace_in(deadlines, STALLED_SECONDS=10**9)
    connection.Protocol.head_seconds = connection.Protocol.body_seconds = 10**9
