"""The routes of sessions and runs. A handler translates; it does not decide."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent_session_manager.api.answers import answer, dump, refusals
from agent_session_manager.api.body import JsonRoute
from agent_session_manager.api.masker import masker_of
from agent_session_manager.api.pages import page_text, parse_page
from agent_session_manager.api.streams import (
    answer_with_list,
    cursor_of,
    refuse_others,
    streamed,
    wants_stream,
)
from agent_session_manager.api.wire import (
    DeletedAnswer,
    DeletedCounts,
    NewSessionBody,
    ResultAnswer,
    SessionAnswer,
    SessionChangesBody,
    SessionsAnswer,
    StatusAnswer,
    holder_of,
    session_body,
)
from agent_session_manager.domain.session import MAX_PATH_BYTES, Session, State
from agent_session_manager.manager import Manager
from agent_session_manager.store.base import (
    CreateSession,
    SessionFilter,
    SessionSort,
    UpdateSession,
)

MAX_PAGE = 1000

MAX_NUMBER = 2**63 - 1


def manager_of(request: Request) -> Manager:
    manager: Manager = request.app.state.manager
    return manager


Served = Annotated[Manager, Depends(manager_of)]
QueryText = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=MAX_PATH_BYTES)]
Id = Annotated[str, Path(description="The session's id")]


router = APIRouter(route_class=JsonRoute, tags=["sessions"])


@router.post(
    "/sessions", status_code=201, response_model=SessionAnswer, responses=refusals(409, 413, 415)
)
async def create_session(request: Request, body: NewSessionBody, manager: Served) -> Response:
    """Create a session under an id of the caller's; its run 1 is open."""
    new = CreateSession(
        **body.model_dump(exclude={"lease", "spec"}),
        spec=masker_of(request).value(body.spec),
        holder=holder_of(body.lease),
    )
    session = await manager.create_session(new)
    return answer(SessionAnswer(session=session_body(session)), 201)


class SessionsQuery(BaseModel):
    """Which sessions to list. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    session_name: QueryText | None = None
    project_dir: QueryText | None = None
    agent_name: QueryText | None = None
    status: Literal["running", "finished"] | None = None
    parent_session_id: QueryText | None = None
    id_prefix: QueryText | None = None
    archived: bool | None = None
    executor: QueryText | None = None
    state: State | None = None
    text: QueryText | None = Field(
        default=None, description="Some part of its name, project, agent or id"
    )
    top_level: bool | None = Field(
        default=None, description="Whether it was started from inside no other session"
    )
    sort: SessionSort = SessionSort.CREATED
    limit: int | None = Field(default=None, ge=1, le=MAX_PAGE)
    page: QueryText | None = Field(default=None, description="The `next_page` of the one before")
    cursor: QueryText | None = Field(default=None, description="Where a feed goes on")


@router.get(
    "/sessions",
    response_model=SessionsAnswer,
    responses={**refusals(410, 503), **streamed("the feed of all sessions")},
)
async def list_sessions(
    request: Request, manager: Served, query: Annotated[SessionsQuery, Query()]
) -> Response:
    """List sessions, newest first: all of them, or with `limit` a page and its `next_page`.

    With `Accept: text/event-stream` the feed of all sessions, past `cursor` or from now on.
    """
    if wants_stream(request):
        refuse_others(query, {"cursor"})
        cursor = cursor_of(request, query.cursor) or await manager.get_head()
        return await answer_with_list(manager.follow_list(cursor))
    where = SessionFilter(**query.model_dump(exclude={"limit", "page", "sort", "cursor"}))
    if query.limit is None and query.page is None:
        return StreamingResponse(_all(manager, where, query.sort), media_type="application/json")
    head = await manager.get_head()
    found = await manager.list_sessions(
        where,
        limit=query.limit or MAX_PAGE,
        sort=query.sort,
        after=None if query.page is None else parse_page(query.page),
    )
    return answer(
        SessionsAnswer(
            sessions=[session_body(session) for session in found.sessions],
            next_page=None if found.next_page is None else page_text(found.next_page),
            cursor=str(head),
        )
    )


async def _all(manager: Manager, where: SessionFilter, sort: SessionSort) -> AsyncIterator[bytes]:
    """All sessions as one JSON document, page by page, so that no list is too long."""
    page = await manager.list_sessions(where, limit=MAX_PAGE, sort=sort)
    separator = b'{"sessions":['
    while True:
        if page.sessions:
            yield separator + b",".join(map(_dump_session, page.sessions))
            separator = b","
        if page.next_page is None:
            break
        page = await manager.list_sessions(where, limit=MAX_PAGE, sort=sort, after=page.next_page)
    yield b"]}" if separator == b"," else separator + b"]}"


def _dump_session(session: Session) -> bytes:
    return dump(session_body(session))


@router.get("/sessions/{session_id}", response_model=SessionAnswer, responses=refusals(404))
async def get_session(session_id: Id, manager: Served) -> Response:
    """Get a session."""
    return answer(SessionAnswer(session=session_body(await manager.get_session(session_id))))


@router.get("/sessions/{session_id}/status", response_model=StatusAnswer, responses=refusals())
async def get_status(session_id: Id, manager: Served) -> Response:
    """Get `running`, `finished` or `not_existent`: always 200."""
    return answer(StatusAnswer(status=await manager.get_status(session_id)))


@router.get(
    "/sessions/{session_id}/result", response_model=ResultAnswer, responses=refusals(404, 409)
)
async def get_result(session_id: Id, manager: Served) -> Response:
    """Get the text of the last assistant message of the newest run, once it is finished."""
    return answer(ResultAnswer(result=await manager.get_result(session_id)))


@router.patch(
    "/sessions/{session_id}",
    response_model=SessionAnswer,
    responses=refusals(404, 409, 413, 415),
)
async def update_session(session_id: Id, body: SessionChangesBody, manager: Served) -> Response:
    """Change what is given, and nothing else."""
    change = UpdateSession(session_id=session_id, **body.model_dump())
    return answer(SessionAnswer(session=session_body(await manager.update_session(change))))


class DeleteQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    force: bool = Field(default=False, description="Also while somebody holds its lease")


@router.delete("/sessions/{session_id}", response_model=DeletedAnswer, responses=refusals(404, 409))
async def delete_session(
    session_id: Id, query: Annotated[DeleteQuery, Query()], manager: Served
) -> Response:
    """Delete a session, its runs and its events: 409 while somebody holds its lease."""
    count = await manager.delete_session(session_id, force=query.force)
    counts = DeletedCounts(session=True, events_count=count)
    return answer(DeletedAnswer(session_id=session_id, deleted=counts))
