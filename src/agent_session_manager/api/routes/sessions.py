"""The routes of sessions and runs. A handler translates; it does not decide."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.guard.run_scopes import Reach, for_pages, for_runs
from agent_session_manager.api.http.body import JsonRoute
from agent_session_manager.api.http.caller import caller_of, page_of
from agent_session_manager.api.http.depends import Id, QueryText, Served
from agent_session_manager.api.http.masker import masked
from agent_session_manager.api.http.page_marks import page_text, parse_page
from agent_session_manager.api.http.responses import answer, dump, refusals
from agent_session_manager.api.http.sse import (
    answer_with_list,
    cursor_of,
    refuse_others,
    streamed,
    wants_stream,
)
from agent_session_manager.api.wire.limits import MAX_PAGE
from agent_session_manager.api.wire.runs import RunOpenedAnswer, holder_of, run_opened
from agent_session_manager.api.wire.sessions import (
    DeletedAnswer,
    DeletedCounts,
    NewSessionBody,
    ResultAnswer,
    SessionAnswer,
    SessionChangesBody,
    SessionsAnswer,
    StatusAnswer,
    session_body,
)
from agent_session_manager.domain.errors import NotForPagesError
from agent_session_manager.domain.run_token import create_run_token, digest_of
from agent_session_manager.domain.session import Session, State
from agent_session_manager.manager.manager import Manager
from agent_session_manager.store.changes import CreateSession, UpdateSession
from agent_session_manager.store.queries import SessionFilter, SessionSort

_CHANGES_OF_PAGES = frozenset({"session_name", "archived"})

router = APIRouter(route_class=JsonRoute, tags=["sessions"])


@router.post(
    "/sessions", status_code=201, response_model=RunOpenedAnswer, responses=refusals(409, 413, 415)
)
@for_runs(Reach.HANDLER)
async def create_session(request: Request, body: NewSessionBody, manager: Served) -> Response:
    """Create a session under an id of the caller's; its run 1 is open.

    With a lease the answer has the tokens of that run. What a run creates is below its own session.
    """
    token = None if body.lease is None else create_run_token()
    new = CreateSession(
        **body.model_dump(exclude={"lease", "spec"}),
        spec=await masked(request, body.spec),
        holder=holder_of(body.lease),
        token_digest=None if token is None else digest_of(token),
        caller=caller_of(request),
    )
    return answer(run_opened(await manager.create_session(new), token), 201)


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
    project: QueryText | None = Field(default=None, description="Some part of its project's path")
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
@for_runs(Reach.HANDLER)
@for_pages
async def list_sessions(
    request: Request, manager: Served, query: Annotated[SessionsQuery, Query()]
) -> Response:
    """List sessions, newest first: all of them, or with `limit` a page and its `next_page`.

    With `Accept: text/event-stream` the feed of all sessions, past `cursor` or from now on. For a
    run all sessions are its own and those below it.
    """
    caller = caller_of(request)
    if wants_stream(request):
        refuse_others(query, {"cursor"})
        head = await manager.get_head()
        cursor = cursor_of(request, query.cursor) or head
        if caller is None:
            return await answer_with_list(manager.follow_list(cursor))
        return await answer_with_list(manager.follow_family(caller, cursor, head=head))
    filters = query.model_dump(exclude={"limit", "page", "sort", "cursor"})
    where = SessionFilter(**filters, family_of=caller)
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
@for_runs(Reach.FAMILY)
@for_pages
async def get_session(session_id: Id, manager: Served) -> Response:
    """Get a session."""
    return answer(SessionAnswer(session=session_body(await manager.get_session(session_id))))


@router.get("/sessions/{session_id}/status", response_model=StatusAnswer, responses=refusals())
@for_runs(Reach.HANDLER)
async def get_status(request: Request, session_id: Id, manager: Served) -> Response:
    """Get `running`, `finished` or `not_existent`: always 200."""
    caller = caller_of(request)
    if caller is not None and not await manager.is_in_family(caller, session_id):
        return answer(StatusAnswer(status="not_existent"))
    return answer(StatusAnswer(status=await manager.get_status(session_id)))


@router.get(
    "/sessions/{session_id}/result", response_model=ResultAnswer, responses=refusals(404, 409)
)
@for_runs(Reach.FAMILY)
@for_pages
async def get_result(session_id: Id, manager: Served) -> Response:
    """Get the text of the last assistant message of the newest run, once it is finished."""
    return answer(ResultAnswer(result=await manager.get_result(session_id)))


@router.patch(
    "/sessions/{session_id}",
    response_model=SessionAnswer,
    responses=refusals(404, 409, 413, 415),
)
@for_pages
async def update_session(
    request: Request, session_id: Id, body: SessionChangesBody, manager: Served
) -> Response:
    """Change what is given, and nothing else."""
    if page_of(request) is not None and not body.model_fields_set <= _CHANGES_OF_PAGES:
        allowed = ", ".join(sorted(_CHANGES_OF_PAGES))
        raise NotForPagesError(f"a page token allows changes of {allowed} only")
    change = UpdateSession(session_id=session_id, **body.model_dump())
    return answer(SessionAnswer(session=session_body(await manager.update_session(change))))


class DeleteQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    force: bool = Field(default=False, description="Also while somebody holds its lease")


@router.delete("/sessions/{session_id}", response_model=DeletedAnswer, responses=refusals(404, 409))
@for_pages
async def delete_session(
    session_id: Id, query: Annotated[DeleteQuery, Query()], manager: Served
) -> Response:
    """Delete a session, its runs and its events: 409 while somebody holds its lease."""
    count = await manager.delete_session(session_id, force=query.force)
    counts = DeletedCounts(session=True, events_count=count)
    return answer(DeletedAnswer(session_id=session_id, deleted=counts))
