"""The caller that the guard has authenticated: a run, a dashboard page, or the person."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import HTTPConnection

from agent_session_manager.domain.sessions.run_token import RunCaller

CALLER = "agent_session_manager.run"
"""Scope key of the run that makes a request; absent for all other callers."""
PAGE = "agent_session_manager.page"
"""Scope key of the page token of a request; absent for all other callers."""


@dataclass(kw_only=True, eq=False)
class PageToken:
    """One signed-in browser; all its tabs share the token."""

    token_id: str
    created_at: datetime
    last_used_at: datetime
    open_requests: int = 0
    revoked: asyncio.Event = field(default_factory=asyncio.Event)


def page_of(request: HTTPConnection) -> PageToken | None:
    """Return the page token of a request, or None."""
    page: PageToken | None = request.scope.get(PAGE)
    return page


def caller_of(request: HTTPConnection) -> RunCaller | None:
    """Return the run that makes a request, or None."""
    caller: RunCaller | None = request.scope.get(CALLER)
    return caller
