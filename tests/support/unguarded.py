"""The manager without its guard: every test of the guard must fail with it."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp

from agent_session_manager import serve
from agent_session_manager.api.fast_append import AppendsFirst
from agent_session_manager.api.routes.events import append_events
from tests.support.replacing import replace_in


def without_guard(app: Any, **_rules: object) -> ASGIApp:
    return AppendsFirst(app, append_events)


def leave_out_the_guard() -> None:
    """Change the manager that this process is about to serve."""
    replace_in(serve, guarded=without_guard)
