"""The route of maintenance: what `agent-session-manager` asks of the manager that serves."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel

from agent_session_manager.api.http.body import JsonRoute
from agent_session_manager.api.http.depends import Served
from agent_session_manager.api.http.responses import answer, refusals

router = APIRouter(route_class=JsonRoute, tags=["maintenance"])


class VacuumAnswer(BaseModel):
    """What the database took before, what it takes now, and the difference."""

    before_bytes: int
    after_bytes: int
    freed_bytes: int


@router.post(
    "/maintenance/vacuum", response_model=VacuumAnswer, responses=refusals(409, 413, 415, 503)
)
async def vacuum(manager: Served) -> Response:
    """Give the space of deleted sessions back to the disk, while everything else goes on."""
    freed = await manager.vacuum()
    return answer(
        VacuumAnswer(
            before_bytes=freed.before_bytes,
            after_bytes=freed.after_bytes,
            freed_bytes=freed.freed_bytes,
        )
    )
