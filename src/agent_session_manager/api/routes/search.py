"""The route of full-text search."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.guard.run_scopes import Reach, for_pages, for_runs
from agent_session_manager.api.http.body import JsonRoute
from agent_session_manager.api.http.caller import caller_of
from agent_session_manager.api.http.depends import QueryText, Served
from agent_session_manager.api.http.page_marks import page_text, parse_page
from agent_session_manager.api.http.responses import answer, refusals
from agent_session_manager.api.wire.common import GivenMoment
from agent_session_manager.api.wire.search import SearchAnswer, search_answer
from agent_session_manager.domain.sessions.session import State
from agent_session_manager.search.extract import Kind
from agent_session_manager.search.query import parse_query
from agent_session_manager.store.queries import SessionFilter
from agent_session_manager.store.search import DEFAULT_KINDS, Search, SearchSort

DEFAULT_PAGE = 20
MAX_PAGE = 100
_OF_SESSIONS = (
    *("session_id", "project_dir", "project", "agent", "agent_name", "executor", "state"),
    *("archived", "parent_session_id"),
)

router = APIRouter(route_class=JsonRoute, tags=["search"])


class SearchQuery(BaseModel):
    """A query with its filters. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    q: QueryText = Field(
        description='Words, `"phrases"`, `prefix*`, `-excluded`, and `file:PATH` for a file in the '
        "input of a tool"
    )
    kind: list[Kind] = Field(
        default_factory=list,
        max_length=len(Kind),
        description="Only texts of these kinds; can be repeated. Default: all but `thinking`",
    )
    tool_name: QueryText | None = Field(default=None, description="Only of this tool")
    has_error: bool | None = Field(
        default=None, description="`true`: only events with an `error`; `false`: only others"
    )
    since: GivenMoment | None = Field(default=None, description="Only events since this time")
    until: GivenMoment | None = Field(default=None, description="Only events before this time")
    session_id: QueryText | None = Field(default=None, description="Only of this session")
    parent_session_id: QueryText | None = Field(
        default=None, description="Only of sessions that were started from inside this session"
    )
    project_dir: QueryText | None = Field(default=None, description="Only of this project")
    project: QueryText | None = Field(
        default=None, description="Part of its project's path; not case-sensitive"
    )
    agent: QueryText | None = Field(
        default=None,
        description="Only of this agent: by the name of its definition, or else by its executor",
    )
    agent_name: QueryText | None = Field(
        default=None, description="Only of the agent definition with this name"
    )
    executor: QueryText | None = Field(default=None, description="Only of this executor")
    state: State | None = Field(default=None, description="Only of sessions in this state")
    archived: bool | None = Field(
        default=None, description="`true`: only of archived sessions; `false`: only of others"
    )
    sort: SearchSort = Field(
        default=SearchSort.NEWEST,
        description="`newest` first, or `best`: by rank among the newest 2,000 matches, then among "
        "the 2,000 before them",
    )
    group: Literal["session"] | None = Field(
        default=None, description="`session`: only the first hit of each session"
    )
    limit: int = Field(default=DEFAULT_PAGE, ge=1, le=MAX_PAGE, description="Size of a page")
    page: QueryText | None = Field(
        default=None, description="The `next_page` of the previous page of the same search"
    )


@router.get(
    "/search",
    response_model=SearchAnswer,
    responses=refusals(400, codes=("invalid_query",)),
)
@for_runs(Reach.HANDLER)
@for_pages
async def search_events(
    request: Request, manager: Served, query: Annotated[SearchQuery, Query()]
) -> Response:
    """Find events by the words of their texts.

    All terms of `q` must be in one event. Case, accents and width do not count, and words are not
    stemmed. A word with separators such as `src/a.py` or `snake_case` is a phrase of its parts. A
    part of a word in camel case is found, too. The index follows the record by about a second. A
    run finds only events of its own session and of those below it.
    """
    filters = {name: getattr(query, name) for name in _OF_SESSIONS}
    filters["state"] = query.state and (query.state,)
    found = await manager.search(
        Search(
            query=parse_query(query.q),
            kinds=frozenset(query.kind) or DEFAULT_KINDS,
            tool_name=query.tool_name,
            has_error=query.has_error,
            since=query.since,
            until=query.until,
            sessions=SessionFilter(**filters, family_of=caller_of(request)),
            sort=query.sort,
            by_session=query.group is not None,
        ),
        limit=query.limit,
        after=None if query.page is None else parse_page(query.page),
    )
    return answer(
        search_answer(found, None if found.next_page is None else page_text(found.next_page))
    )
