"""The maintenance route, which `agent-session-manager vacuum` calls on a running manager."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from agent_session_manager.api.http.body import JsonRoute
from agent_session_manager.api.http.depends import Served
from agent_session_manager.api.http.responses import answer, refusals

router = APIRouter(route_class=JsonRoute, tags=["maintenance"])


class VacuumAnswer(BaseModel):
    """The size of the database before and after, and the difference."""

    before_bytes: int = Field(description="Size of the database before")
    after_bytes: int = Field(description="Size of the database now")
    freed_bytes: int = Field(description="The difference")


@router.post(
    "/maintenance/vacuum",
    response_model=VacuumAnswer,
    responses=refusals(409, 413, 415, 503, codes=("vacuum_not_possible",)),
)
async def vacuum(manager: Served) -> Response:
    """Return the space of deleted data to the file system, while the manager serves.

    The space is freed in small steps between commits; the answer comes after the last one. A
    request that arrives during a vacuum waits for its end.
    """
    freed = await manager.vacuum()
    return answer(
        VacuumAnswer(
            before_bytes=freed.before_bytes,
            after_bytes=freed.after_bytes,
            freed_bytes=freed.freed_bytes,
        )
    )
