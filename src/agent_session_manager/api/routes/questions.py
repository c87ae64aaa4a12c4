"""The route of the open questions of all sessions."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.guard.run_scopes import Reach, for_pages, for_runs
from agent_session_manager.api.http.caller import caller_of
from agent_session_manager.api.http.depends import QueryText, Served
from agent_session_manager.api.http.page_marks import page_text, parse_page
from agent_session_manager.api.http.responses import refusals
from agent_session_manager.api.wire.limits import MAX_PAGE
from agent_session_manager.api.wire.questions import QuestionsAnswer, question_json
from agent_session_manager.store.queries import QuestionFilter

router = APIRouter(tags=["questions"])


class QuestionsQuery(BaseModel):
    """The filters of the list. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    session_id: QueryText | None = Field(default=None, description="Only of this session")
    limit: int = Field(default=MAX_PAGE, ge=1, le=MAX_PAGE, description="Size of a page")
    page: QueryText | None = Field(default=None, description="The `next_page` of the previous page")


@router.get("/questions", response_model=QuestionsAnswer, responses=refusals())
@for_runs(Reach.HANDLER)
@for_pages
async def list_questions(
    request: Request, manager: Served, query: Annotated[QuestionsQuery, Query()]
) -> Response:
    """List the open questions of all sessions, the longest waiting first.

    To answer one, send a request of the kind `answer` whose `request_id` is the question's id. A
    page ends after `limit` questions, or after about 8 MiB. The feed of all sessions tells when
    `waiting_questions` of a session changes. A run gets only the questions of its own session and
    of those below it, and cannot answer them.
    """
    page = await manager.list_questions(
        QuestionFilter(session_id=query.session_id, family_of=caller_of(request)),
        limit=query.limit,
        after=None if query.page is None else parse_page(query.page),
    )
    body = {
        "questions": [question_json(question) for question in page.questions],
        "next_page": None if page.next_page is None else page_text(page.next_page),
    }
    return Response(orjson.dumps(body), media_type="application/json")
