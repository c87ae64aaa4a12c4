"""Who makes a request, as the guard has found out: a run, a dashboard page, or the person."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import HTTPConnection

from agent_session_manager.domain.run_token import RunCaller

CALLER = "agent_session_manager.run"
"""Where in the scope of a request the run is that makes it; absent for everybody else."""
PAGE = "agent_session_manager.page"
"""Where the page token is that a request was made with; absent for everybody else."""


@dataclass(kw_only=True, eq=False)
class PageToken:
    """One browser that was let in; all its tabs share the token."""

    token_id: str
    created_at: datetime
    last_used_at: datetime
    open_requests: int = 0
    revoked: asyncio.Event = field(default_factory=asyncio.Event)


def page_of(request: HTTPConnection) -> PageToken | None:
    """The page token that this request was made with, if it was made with one."""
    page: PageToken | None = request.scope.get(PAGE)
    return page


def caller_of(request: HTTPConnection) -> RunCaller | None:
    """The run that makes this request, if one does."""
    caller: RunCaller | None = request.scope.get(CALLER)
    return caller
