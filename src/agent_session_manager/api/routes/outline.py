"""The route of the outline of a session."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.guard.run_scopes import Reach, for_pages, for_runs
from agent_session_manager.api.http.body import JsonRoute
from agent_session_manager.api.http.depends import Id, Served
from agent_session_manager.api.http.responses import NO_SESSION, answer
from agent_session_manager.api.wire.limits import MAX_NUMBER
from agent_session_manager.api.wire.outline import OutlineAnswer

router = APIRouter(route_class=JsonRoute, tags=["events"])


class _OutlineQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    after_seq: int = Field(
        default=0,
        ge=0,
        le=MAX_NUMBER,
        description="Only events after this `seq`: the `through` of the page before",
    )


@router.get("/sessions/{session_id}/outline", response_model=OutlineAnswer, responses=NO_SESSION)
@for_runs(Reach.FAMILY)
@for_pages
async def get_outline(
    session_id: Id, query: Annotated[_OutlineQuery, Query()], manager: Served
) -> Response:
    """Get the outline of a session: its prompts, edits, failures, denials, subagents and run ends.

    Each of these events has one entry, and no other event has one. A page ends after 5,000 events,
    however many entries they have. An edit is named by the event in which its call ended well. A
    call that failed and was also denied has two entries with the same `call_seq`.
    """
    return answer(
        OutlineAnswer.model_validate(await manager.get_outline(session_id, query.after_seq))
    )
