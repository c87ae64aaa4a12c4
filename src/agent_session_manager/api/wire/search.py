"""Shapes of search."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.wire.common import Moment
from agent_session_manager.search.extract import Kind
from agent_session_manager.search.snippet import Snippet
from agent_session_manager.store.search import Hit, SearchPage


class FoundSessionBody(BaseModel):
    """A session whose name matches."""

    model_config = ConfigDict(from_attributes=True)

    session_id: str = Field(description="Id of the session")
    session_name: str = Field(description="Name of the session")
    project_dir: str | None = Field(description="Directory of the project")
    agent_name: str | None = Field(description="Name of the agent definition")
    agent: str | None = Field(description="Its agent: `agent_name`, or else its executor")


class RangeBody(BaseModel):
    """The place of a match in a snippet, counted in Unicode code points."""

    start: int = Field(description="Place of the first character, from 0")
    end: int = Field(description="Place after the last character")


class SnippetBody(BaseModel):
    """The part of a text around the first match."""

    text: str = Field(description="One line of up to 160 characters")
    ranges: list[RangeBody] = Field(description="Places of the matches in `text`")
    is_beginning: bool = Field(description="True if the text of the event begins here")
    is_end: bool = Field(description="True if the text of the event ends here")


class HitBody(FoundSessionBody):
    """An event that matches, with its session."""

    seq: int = Field(description="Place of the event in its session")
    run: int = Field(description="Number of the run")
    event_type: str = Field(description="Type of the event")
    kind: Kind = Field(description="Kind of the text")
    tool_name: str | None = Field(description="Name of the tool, for a tool call")
    has_error: bool = Field(description="True if the event has an `error`")
    occurred_at: Moment = Field(
        description="The client's time; `recorded_at` if the client sent no valid one"
    )
    snippet: SnippetBody = Field(description="The part of the text around the first match")


class SearchAnswer(BaseModel):
    hits: list[HitBody] = Field(description="Matching events, in the requested order")
    sessions: list[FoundSessionBody] = Field(
        description="Up to 20 sessions whose names match, newest first; only on the first page"
    )
    considered: int = Field(description="Number of matches that were looked at for this page")
    complete: bool = Field(
        description="False if time was up before the page was full: `next_page` continues"
    )
    indexed_through: int = Field(description="Number of the newest event that is in the index")
    newest: int = Field(
        description="Number of the newest event of all sessions; if it is higher, the index is "
        "behind the record"
    )
    next_page: str | None = Field(description="Mark of the next page; null at the end")


def hit_body(hit: Hit) -> HitBody:
    return HitBody(
        **FoundSessionBody.model_validate(hit.session).model_dump(),
        seq=hit.seq,
        run=hit.run,
        event_type=hit.event_type,
        kind=hit.kind,
        tool_name=hit.tool_name,
        has_error=hit.has_error,
        occurred_at=hit.occurred_at,
        snippet=_snippet_body(hit.snippet),
    )


def _snippet_body(snippet: Snippet) -> SnippetBody:
    return SnippetBody(
        text=snippet.text,
        ranges=[RangeBody(start=start, end=end) for start, end in snippet.ranges],
        is_beginning=snippet.is_beginning,
        is_end=snippet.is_end,
    )


def search_answer(page: SearchPage, next_page: str | None) -> SearchAnswer:
    return SearchAnswer(
        hits=[hit_body(hit) for hit in page.hits],
        sessions=[FoundSessionBody.model_validate(session) for session in page.sessions],
        considered=page.considered,
        complete=page.is_complete,
        indexed_through=page.indexed_through,
        newest=page.newest,
        next_page=next_page,
    )
