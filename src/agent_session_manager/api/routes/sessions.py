"""The routes of sessions. A handler translates; it does not decide."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
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
from agent_session_manager.api.http.responses import NO_SESSION, answer, refusals
from agent_session_manager.api.http.sse import (
    answer_with_list,
    cursor_of,
    refuse_others,
    streamed,
    wants_stream,
)
from agent_session_manager.api.wire.common import GivenMoment, dump
from agent_session_manager.api.wire.limits import MAX_DOLLARS, MAX_PAGE, NANODOLLARS_PER_DOLLAR
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
from agent_session_manager.domain.sessions.attention import AttentionKind
from agent_session_manager.domain.sessions.run_token import RunCaller, create_run_token, digest_of
from agent_session_manager.domain.sessions.session import Reason, Session, State
from agent_session_manager.manager.manager import Manager
from agent_session_manager.store.changes import CreateSession, UpdateSession
from agent_session_manager.store.queries import Order, SessionFilter, SessionSort

_CHANGES_OF_PAGES = frozenset({"session_name", "archived", "seen_run"})

router = APIRouter(route_class=JsonRoute, tags=["sessions"])


@router.post(
    "/sessions",
    status_code=201,
    response_model=RunOpenedAnswer,
    responses=refusals(
        409, 413, 415, codes=("session_exists", "name_taken", "too_many_levels", "invalid_name")
    ),
)
@for_runs(Reach.HANDLER)
async def create_session(request: Request, body: NewSessionBody, manager: Served) -> Response:
    """Create a session; its run 1 is open.

    The client chooses the id. With a `lease` the answer also has the tokens of run 1. A session
    that a run creates is below the run's own session.
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
    """The filters and the order of a list. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    session_name: QueryText | None = Field(default=None, description="Only with this name")
    project_dir: QueryText | None = Field(default=None, description="Only of this project")
    agent: QueryText | None = Field(
        default=None,
        description="Only of this agent: by the name of its definition, or else by its executor",
    )
    agent_name: QueryText | None = Field(
        default=None, description="Only of the agent definition with this name"
    )
    status: Literal["running", "finished"] | None = Field(
        default=None, description="Only with this status"
    )
    parent_session_id: QueryText | None = Field(
        default=None, description="Only sessions that were started from inside this session"
    )
    id_prefix: QueryText | None = Field(
        default=None, description="Only if the id begins with this text"
    )
    archived: bool | None = Field(
        default=None, description="`true`: only archived sessions; `false`: only others"
    )
    executor: QueryText | None = Field(default=None, description="Only of this executor")
    state: list[State] | None = Field(
        default=None, description="Only in this state; can be repeated: in any of these"
    )
    text: QueryText | None = Field(
        default=None, description="Part of its name, project, agent or id; not case-sensitive"
    )
    project: QueryText | None = Field(
        default=None, description="Part of its project's path; not case-sensitive"
    )
    top_level: bool | None = Field(
        default=None, description="`true`: only sessions without a parent; `false`: only others"
    )
    has_notices: bool | None = Field(
        default=None,
        description="`true`: only with `undelivered_notices`; `false`: only without any",
    )
    attention: list[AttentionKind | Literal["any"]] | None = Field(
        default=None,
        description="Only with `attention` of this kind, or of any; can be repeated",
    )
    since: GivenMoment | None = Field(
        default=None, description="Only with `last_activity_at` at this time or later"
    )
    until: GivenMoment | None = Field(
        default=None, description="Only with `last_activity_at` before this time"
    )
    host: QueryText | None = Field(
        default=None, description="Only if the newest run executes on this machine"
    )
    reason: list[Reason] | None = Field(
        default=None, description="Only if the newest run ended so; can be repeated"
    )
    model: QueryText | None = Field(
        default=None, description="Part of the name of its `model`; not case-sensitive"
    )
    cost_over: float | None = Field(
        default=None,
        ge=0,
        le=MAX_DOLLARS,
        allow_inf_nan=False,
        description="Only with a higher cost of all runs, in US dollars",
    )
    denied: bool | None = Field(
        default=None, description="`true`: only with `denied_calls`; `false`: only without any"
    )
    sort: SessionSort = Field(
        default=SessionSort.CREATED,
        description="By creation, last activity, name, cost, or the durations of all ended runs",
    )
    order: Order | None = Field(
        default=None,
        description="From the lowest (oldest, a) to the highest, or back; default `asc` by name, "
        "else `desc`",
    )
    totals: bool = Field(default=False, description="`true`: the answer also has `total`")
    limit: int | None = Field(
        default=None,
        ge=1,
        le=MAX_PAGE,
        description=f"Size of a page; {MAX_PAGE:,} if only `page` is given",
    )
    page: QueryText | None = Field(
        default=None, description="The `next_page` of the previous page, with the same order"
    )
    cursor: QueryText | None = Field(
        default=None, description="Only for the feed: the position after which it begins"
    )

    def to_filter(self, caller: RunCaller | None) -> SessionFilter:
        values = self.model_dump(exclude=_NOT_FILTERS)
        for name in ("state", "reason"):
            values[name] = values[name] and tuple(values[name])
        if self.attention is not None:
            wanted = {*self.attention}
            values["attention"] = tuple(kind for kind in AttentionKind if wanted & {kind, "any"})
        if self.cost_over is not None:
            values["cost_over"] = int(Decimal(repr(self.cost_over)) * NANODOLLARS_PER_DOLLAR)
        return SessionFilter(**values, family_of=caller)


_NOT_FILTERS = {"limit", "page", "sort", "order", "totals", "cursor"}


@router.get(
    "/sessions",
    response_model=SessionsAnswer,
    responses={
        **refusals(410, 503, codes=("cursor_unknown", "overloaded")),
        **streamed("the feed of all sessions"),
    },
)
@for_runs(Reach.HANDLER)
@for_pages
async def list_sessions(
    request: Request, manager: Served, query: Annotated[SessionsQuery, Query()]
) -> Response:
    """List sessions; by default all, newest first.

    A session is listed if it passes all given filters. Without `limit` and `page` the answer has
    all sessions, without `next_page` and `cursor`. With one of them it has a page.

    With `Accept: text/event-stream` the answer is the feed of all sessions, after `cursor` or from
    now on; it accepts no other parameter. A run gets only its own session and those below it.
    """
    caller = caller_of(request)
    if wants_stream(request):
        refuse_others(query, {"cursor"})
        head = await manager.get_head()
        cursor = cursor_of(request, query.cursor) or head
        if caller is None:
            return await answer_with_list(manager.follow_list(cursor))
        return await answer_with_list(manager.follow_family(caller, cursor, head=head))
    where = query.to_filter(caller)
    if query.limit is None and query.page is None:
        return StreamingResponse(_all(manager, where, query), media_type="application/json")
    head = await manager.get_head()
    found = await manager.list_sessions(
        where,
        limit=query.limit or MAX_PAGE,
        sort=query.sort,
        order=query.order,
        after=None if query.page is None else parse_page(query.page),
    )
    return answer(
        SessionsAnswer(
            sessions=[session_body(session) for session in found.sessions],
            next_page=None if found.next_page is None else page_text(found.next_page),
            cursor=str(head),
            total=await manager.count_sessions(where) if query.totals else None,
        )
    )


async def _all(
    manager: Manager, where: SessionFilter, query: SessionsQuery
) -> AsyncIterator[bytes]:
    """Yield all sessions as one JSON document, page by page, so that memory use is bounded."""
    begin, after, count = b'{"sessions":[', None, 0
    while True:
        page = await manager.list_sessions(
            where, limit=MAX_PAGE, sort=query.sort, order=query.order, after=after
        )
        yield begin + b",".join(map(_dump_session, page.sessions))
        begin, after, count = b",", page.next_page, count + len(page.sessions)
        if after is None:
            break
    yield b'],"total":%d}' % count if query.totals else b"]}"


def _dump_session(session: Session) -> bytes:
    return dump(session_body(session))


@router.get("/sessions/{session_id}", response_model=SessionAnswer, responses=NO_SESSION)
@for_runs(Reach.FAMILY)
@for_pages
async def get_session(session_id: Id, manager: Served) -> Response:
    """Get a session."""
    return answer(SessionAnswer(session=session_body(await manager.get_session(session_id))))


@router.get("/sessions/{session_id}/status", response_model=StatusAnswer, responses=refusals())
@for_runs(Reach.HANDLER)
async def get_status(request: Request, session_id: Id, manager: Served) -> Response:
    """Get the status of a session: `not_existent` if there is no such session."""
    caller = caller_of(request)
    if caller is not None and not await manager.is_in_family(caller, session_id):
        return answer(StatusAnswer(status="not_existent"))
    return answer(StatusAnswer(status=await manager.get_status(session_id)))


@router.get(
    "/sessions/{session_id}/result",
    response_model=ResultAnswer,
    responses=refusals(
        *(404, 409, 500),
        codes=("session_not_found", "session_not_finished", "no_result", "event_damaged"),
    ),
)
@for_runs(Reach.FAMILY)
@for_pages
async def get_result(request: Request, session_id: Id, manager: Served) -> Response:
    """Get the result: the text of the last assistant message of the newest run, once it has ended.

    Messages without text and messages of subagents (with a `parent_tool_use_id`) do not count. The
    text blocks of the message are joined with line breaks. If the message came in several events,
    the result is the text of all its parts, with nothing between them.

    If an agent reads the result of a session that its own session started, no notice tells it.
    """
    result = await manager.get_result(session_id)
    await manager.notices.note_known(caller_of(request), session_id)
    return answer(ResultAnswer(result=result))


@router.patch(
    "/sessions/{session_id}",
    response_model=SessionAnswer,
    responses=refusals(
        *(404, 409, 413, 415),
        codes=(
            *("session_not_found", "run_not_found"),
            *("name_taken", "session_running", "invalid_name"),
        ),
    ),
)
@for_pages
async def update_session(
    request: Request, session_id: Id, body: SessionChangesBody, manager: Served
) -> Response:
    """Change the given fields; fields that are absent or null stay as they are.

    `last_resumed_at` opens the next run: the session is `running` again, and a run that is open is
    closed as `lost`. If that run has a lease, the whole request is refused: 409 `session_running`.

    An archived session still accepts events. `archived: false` counts as activity for retention. A
    page token can change `session_name`, `archived` and `seen_run` only.
    """
    if page_of(request) is not None and not body.model_fields_set <= _CHANGES_OF_PAGES:
        allowed = ", ".join(sorted(_CHANGES_OF_PAGES))
        raise NotForPagesError(f"a page token allows changes of {allowed} only")
    change = UpdateSession(session_id=session_id, **body.model_dump())
    return answer(SessionAnswer(session=session_body(await manager.update_session(change))))


class DeleteQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    force: bool = Field(default=False, description="Delete it even if its newest run has a lease")


@router.delete(
    "/sessions/{session_id}",
    response_model=DeletedAnswer,
    responses=refusals(404, 409, codes=("session_not_found", "session_running")),
)
@for_pages
async def delete_session(
    session_id: Id, query: Annotated[DeleteQuery, Query()], manager: Served
) -> Response:
    """Delete a session with its runs, events and transcripts; its id is free again.

    If its newest run has a lease, the request is refused unless `force` is true.
    """
    count = await manager.delete_session(session_id, force=query.force)
    counts = DeletedCounts(session=True, events_count=count)
    return answer(DeletedAnswer(session_id=session_id, deleted=counts))
