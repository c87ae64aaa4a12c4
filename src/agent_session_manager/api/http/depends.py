"""Parameters that several handlers share: the manager, and parts of paths and queries."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request
from pydantic import StringConstraints

from agent_session_manager.domain.sessions.session import MAX_PATH_BYTES
from agent_session_manager.manager.manager import Manager


def manager_of(request: Request) -> Manager:
    manager: Manager = request.app.state.manager
    return manager


async def _served(request: Request) -> Manager:
    """Return the manager. Not a plain function: the framework would call that in a thread."""
    return manager_of(request)


Served = Annotated[Manager, Depends(_served)]
QueryText = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=MAX_PATH_BYTES)]
Id = Annotated[str, Path(description="The session's id")]
RunNumber = Annotated[int, Path(ge=1, lt=2**31, description="The run's number")]
RequestId = Annotated[
    str,
    Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$", description="The request's id"),
]
