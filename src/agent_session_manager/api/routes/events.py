"""The routes of events.

Appends are the most frequent requests, so they are served ahead of the framework, which documents
them. `api/http/body.py` and `domain/events/event.py` check their bodies.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.guard.run_scopes import Reach, for_pages, for_runs
from agent_session_manager.api.http.body import JsonRoute, parse_json
from agent_session_manager.api.http.caller import caller_of
from agent_session_manager.api.http.depends import Id, QueryText, Served, manager_of
from agent_session_manager.api.http.errors import RequestError
from agent_session_manager.api.http.masker import masker_of
from agent_session_manager.api.http.off_loop import in_turn
from agent_session_manager.api.http.responses import JsonResponse, refusals
from agent_session_manager.api.http.sse import (
    answer_with_session,
    cursor_of,
    refuse_others,
    streamed,
    wants_stream,
)
from agent_session_manager.api.wire.events import AppendedAnswer, EventsAnswer, event_to_json
from agent_session_manager.api.wire.limits import MAX_NUMBER, MAX_PAGE
from agent_session_manager.domain.cursor import Cursor, parse_cursor
from agent_session_manager.domain.errors import InvalidRequestError, NotForRunsError
from agent_session_manager.domain.events.event import MAX_EVENTS_PER_APPEND, NewEvent, parse_event
from agent_session_manager.domain.events.question import is_id_of_a_step
from agent_session_manager.domain.sessions.run_token import RunCaller
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
    "description": "A cursor of the session that the client has received; see idempotency",
}


@appending.post(
    "/sessions/{session_id}/events",
    status_code=201,
    response_model=AppendedAnswer,
    responses=refusals(
        *(404, 409, 413, 415, 503, 507),
        codes=(
            *("session_not_found", "record_behind", "too_many_events", "invalid_event"),
            "disk_full",
        ),
    ),
    openapi_extra={"requestBody": _ONE_OR_MANY, "parameters": [_KNOWN]},
)
@for_runs(Reach.OWN_SESSION)
async def append_events(request: Request, session_id: Id) -> Response:
    """Append one event, or a list of up to 1,000: all or none. They are then on the disk.

    Events that a run or its agent appends belong to that run. An event of theirs with another `run`
    is refused, and so are an agent's events of questions.
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
        events = [_of_caller(event, caller) for event in events]
    seqs = await manager_of(request).append(session_id, events, known=known)
    return JsonResponse(orjson.dumps({"ok": True, "seqs": seqs}), 201)


def _known_of(request: Request) -> Cursor | None:
    """Return the cursor in `known`, if the query has one."""
    if not request.scope["query_string"]:  # nearly all requests: saves the time to parse it
        return None
    given = request.query_params.getlist("known")
    if len(given) > 1:
        raise InvalidRequestError("known: give it once")
    return parse_cursor(given[0]) if given else None


def _of_caller(event: NewEvent, caller: RunCaller) -> NewEvent:
    """Return the event as one of the caller's run.

    Raises:
        NotForRunsError: the event names another run, or an agent asks or decides a question.
    """
    if event.run not in (None, caller.run):
        raise NotForRunsError
    # An id of this form would keep the supervisor's own event out of the record.
    if caller.is_agent and (event.question is not None or is_id_of_a_step(event.event_id)):
        raise NotForRunsError(
            "an agent's token does not allow events of questions, nor their event ids: only the "
            "supervisor of a run asks a person"
        )
    return event._replace(run=caller.run)


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
    """The filters of a list. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    after_seq: int | None = Field(
        default=None,
        ge=0,
        le=MAX_NUMBER,
        description="Only events after this `seq`, oldest first; also for the feed",
    )
    before_seq: int | None = Field(
        default=None,
        ge=0,
        le=MAX_NUMBER,
        description="Only events before this `seq`, newest first; not together with `after_seq`",
    )
    limit: int = Field(default=MAX_PAGE, ge=1, le=MAX_PAGE, description="Size of a page")
    event_type: QueryText | None = Field(default=None, description="Only of this type")
    run: int | None = Field(default=None, ge=1, lt=2**31, description="Only of this run")
    has_error: bool | None = Field(default=None, description="`true`: only events with an `error`")
    cursor: QueryText | None = Field(
        default=None, description="Only for the feed: the position after which it begins"
    )
    follow: Literal["run", "forever"] = Field(
        default="run",
        description="Only for the feed: whether it ends when the session is finished",
    )


@router.get(
    "/sessions/{session_id}/events",
    response_model=EventsAnswer,
    responses={
        **refusals(404, 410, 503, codes=("session_not_found", "cursor_unknown", "overloaded")),
        **streamed("the feed of the session"),
    },
)
@for_runs(Reach.FAMILY)
@for_pages
async def list_events(
    request: Request, session_id: Id, manager: Served, query: Annotated[EventsQuery, Query()]
) -> Response:
    """List events of a session, oldest first, or with `before_seq` newest first.

    A page ends after `limit` events, or after about 8 MiB. If `has_more` is true, there are more
    events in the same direction: repeat the request with the last `seq`.

    With `Accept: text/event-stream` the answer is the feed of the session, after `cursor` or
    `after_seq`; it accepts no other parameter but `follow`.
    """
    if wants_stream(request):
        refuse_others(query, {"after_seq", "cursor", "follow"})
        begin = cursor_of(request, query.cursor) or query.after_seq or 0
        frames = manager.follow(session_id, begin, forever=query.follow == "forever")
        return await answer_with_session(frames)
    if query.after_seq is not None and query.before_seq is not None:
        raise InvalidRequestError("give after_seq or before_seq, not both")
    where = EventFilter(**query.model_dump(exclude={"limit", "cursor", "follow"}))
    page = await manager.list_events(session_id, where, limit=query.limit)
    body = {
        "events": [orjson.Fragment(event_to_json(event, session_id)) for event in page.events],
        "has_more": page.has_more,
    }
    return Response(orjson.dumps(body), media_type="application/json")
