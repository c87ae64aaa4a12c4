"""The routes of events.

Appending is what the service does most, so it is served ahead of the framework, which documents
it; `api/http/body.py` and `domain/event.py` check what it is given.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.guard.run_scopes import Reach, for_pages, for_runs
from agent_session_manager.api.http.aside import in_turn
from agent_session_manager.api.http.body import JsonRoute, parse_json
from agent_session_manager.api.http.caller import caller_of
from agent_session_manager.api.http.depends import Id, QueryText, Served, manager_of
from agent_session_manager.api.http.errors import RequestError
from agent_session_manager.api.http.masker import masker_of
from agent_session_manager.api.http.responses import refusals
from agent_session_manager.api.http.sse import (
    answer_with_session,
    cursor_of,
    refuse_others,
    streamed,
    wants_stream,
)
from agent_session_manager.api.wire.events import AppendedAnswer, EventsAnswer, event_to_wire
from agent_session_manager.api.wire.limits import MAX_NUMBER, MAX_PAGE
from agent_session_manager.domain.cursor import Cursor, parse_cursor
from agent_session_manager.domain.errors import InvalidRequestError, NotForRunsError
from agent_session_manager.domain.event import MAX_EVENTS_PER_APPEND, NewEvent, parse_event
from agent_session_manager.store.queries import EventFilter

appending = APIRouter(route_class=JsonRoute, tags=["events"])
router = APIRouter(tags=["events"])

_ONE_OR_MANY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "anyOf": [
                    {"$ref": "#/components/schemas/NewEventBody"},
                    {
                        "type": "array",
                        "items": {"$ref": "#/components/schemas/NewEventBody"},
                        "maxItems": MAX_EVENTS_PER_APPEND,
                    },
                ]
            }
        }
    },
}


_KNOWN = {
    "name": "known",
    "in": "query",
    "required": False,
    "schema": {"type": "string"},
    "description": "A cursor of the session: 409 `record_behind` where it does not reach that far",
}


@appending.post(
    "/sessions/{session_id}/events",
    status_code=201,
    response_model=AppendedAnswer,
    responses=refusals(404, 409, 413, 415, 503, 507),
    openapi_extra={"requestBody": _ONE_OR_MANY, "parameters": [_KNOWN]},
)
@for_runs(Reach.OWN_SESSION)
async def append_events(request: Request, session_id: Id) -> Response:
    """Append one event, or a list of up to 1,000 as one transaction; answered once on disk.

    What a run appends is of that run, whether it says so or not.
    """
    known = _known_of(request)
    body = await request.body()
    masker = masker_of(request)
    events = await in_turn(
        request,
        len(body),
        lambda pause: masker.events(_parse(parse_json(body), session_id), body, pause),
    )
    caller = caller_of(request)
    if caller is not None:
        events = [_of_run(event, caller.run) for event in events]
    seqs = await manager_of(request).append(session_id, events, known=known)
    return Response(orjson.dumps({"ok": True, "seqs": seqs}), 201, media_type="application/json")


def _known_of(request: Request) -> Cursor | None:
    """How far the sender knows the session to have come, where it says so."""
    if not request.scope["query_string"]:  # as of nearly all, and a look would cost them time
        return None
    given = request.query_params.getlist("known")
    if len(given) > 1:
        raise InvalidRequestError("known: give it once")
    return parse_cursor(given[0]) if given else None


def _of_run(event: NewEvent, run: int) -> NewEvent:
    """The event as one of this run.

    Raises:
        NotForRunsError: it says that it is of another.
    """
    if event.run not in (None, run):
        raise NotForRunsError
    return event._replace(run=run)


def _parse(body: Any, session_id: str) -> list[NewEvent]:
    if not isinstance(body, list):
        return [parse_event(body, session_id=session_id)]
    if len(body) > MAX_EVENTS_PER_APPEND:
        raise RequestError(
            413, "too_many_events", f"at most {MAX_EVENTS_PER_APPEND} events can be sent at once"
        )
    return [
        parse_event(event, session_id=session_id, index=index) for index, event in enumerate(body)
    ]


class EventsQuery(BaseModel):
    """Which events to list. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    after_seq: int | None = Field(default=None, ge=0, le=MAX_NUMBER)
    before_seq: int | None = Field(default=None, ge=0, le=MAX_NUMBER)
    limit: int = Field(default=MAX_PAGE, ge=1, le=MAX_PAGE)
    event_type: QueryText | None = None
    run: int | None = Field(default=None, ge=1, lt=2**31)
    has_error: bool | None = Field(default=None, description="`true`: only those with an `error`")
    cursor: QueryText | None = Field(default=None, description="Where a feed goes on")
    follow: Literal["run", "forever"] = Field(
        default="run", description="Whether a feed ends when everything was read and the run ended"
    )


@router.get(
    "/sessions/{session_id}/events",
    response_model=EventsAnswer,
    responses={**refusals(404, 410, 503), **streamed("the feed of the session")},
)
@for_runs(Reach.FAMILY)
@for_pages
async def list_events(
    request: Request, session_id: Id, manager: Served, query: Annotated[EventsQuery, Query()]
) -> Response:
    """List events: past `after_seq` going up, or before `before_seq` going down.

    `has_more` says whether there are more in that direction; a page of large events may hold
    fewer than `limit`. With `Accept: text/event-stream` the feed of the session, past `cursor` or
    `after_seq`.
    """
    if wants_stream(request):
        refuse_others(query, {"after_seq", "cursor", "follow"})
        begin = cursor_of(request, query.cursor) or query.after_seq or 0
        frames = manager.follow(session_id, begin, forever=query.follow == "forever")
        return await answer_with_session(frames, session_id)
    if query.after_seq is not None and query.before_seq is not None:
        raise InvalidRequestError("give after_seq or before_seq, not both")
    where = EventFilter(**query.model_dump(exclude={"limit", "cursor", "follow"}))
    page = await manager.list_events(session_id, where, limit=query.limit)
    body = {
        "events": [event_to_wire(event, session_id) for event in page.events],
        "has_more": page.has_more,
    }
    return Response(orjson.dumps(body), media_type="application/json")
