"""The routes that clients of the earlier system call.

Deprecated from the first day. They will be removed after `LAST_DAY`, together with `websocket.py`,
their tests and `docs/how-to/migrate-from-the-earlier-system.md`. This module only translates
requests and responses: the code behind the other routes stores and decides everything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from agent_session_manager.api.http.body import JsonRoute, parse_json
from agent_session_manager.api.http.depends import Id, Served
from agent_session_manager.api.http.masker import masker_of
from agent_session_manager.api.http.off_loop import Pause, in_turn
from agent_session_manager.api.http.responses import answer, refusals
from agent_session_manager.api.wire.common import to_text
from agent_session_manager.api.wire.events import manager_fields
from agent_session_manager.api.wire.limits import MAX_PAGE
from agent_session_manager.api.wire.sessions import SessionAnswer, SessionChangesBody, session_body
from agent_session_manager.domain.errors import (
    InvalidEventError,
    SessionExistsError,
    SessionNotFoundError,
    SessionRunningError,
)
from agent_session_manager.domain.events.event import Event, NewEvent, parse_event
from agent_session_manager.domain.sessions.session import MAX_NAME_CHARS, is_session_id
from agent_session_manager.manager.manager import Manager
from agent_session_manager.store.changes import CreateSession, OpenRun, UpdateSession
from agent_session_manager.store.queries import EventFilter, EventPage

LAST_DAY = datetime(2027, 12, 31, tzinfo=UTC)
_SUNSET = format_datetime(LAST_DAY, usegmt=True)


class EarlierRoute(JsonRoute):
    """A route whose answers have the header `Sunset` (RFC 8594): the last day that it is served."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def with_last_day(request: Request) -> Response:
            response = await handle(request)
            response.headers["Sunset"] = _SUNSET
            return response

        return with_last_day


router = APIRouter(route_class=EarlierRoute, tags=["earlier clients"], deprecated=True)

_REQUIRED = ("event_type", "session_id", "session_name", "timestamp")
_EVENT = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "allOf": [{"$ref": "#/components/schemas/NewEventBody"}],
                "required": list(_REQUIRED),
            }
        }
    },
}
# Fields of every event in the earlier system. Its clients expect them, if only with null.
_ALL_FIELDS = dict.fromkeys(
    (
        "session_name",
        "tool_name",
        "tool_input",
        "tool_output",
        "error",
        "exit_code",
        "reason",
        "role",
        "content",
    )
)


class OkAnswer(BaseModel):
    ok: bool = True


class EarlierEventsAnswer(BaseModel):
    events: list[dict[str, Any]] = Field(description="Oldest first")


@router.post(
    "/events",
    response_model=OkAnswer,
    responses=refusals(
        *(404, 413, 415, 503, 507),
        codes=("session_not_found", "invalid_event", "invalid_name", "disk_full"),
    ),
    openapi_extra={"requestBody": _EVENT},
)
async def append_event(request: Request, manager: Served) -> Response:
    """Append one event; `session_start` also creates its session, or opens its next run."""
    body = await request.body()
    masker = masker_of(request)

    def read(pause: Pause | None) -> tuple[str, str, NewEvent]:
        session_id, session_name, event = _parse(parse_json(body))
        [event] = masker.events([event], body, pause)
        return session_id, session_name, event

    session_id, session_name, event = await in_turn(request, len(body), read)
    if event.event_type == "session_start":
        await _start(manager, session_id, session_name)
    await manager.append(session_id, [event])
    return answer(OkAnswer())


@router.get("/events/{session_id}", response_model=EarlierEventsAnswer, responses=refusals(503))
async def list_all_events(session_id: Id, manager: Served) -> Response:
    """List all events of a session, oldest first; the list of an unknown session is empty."""
    first = await _page(manager, session_id, 0)
    return StreamingResponse(_all(manager, session_id, first), media_type="application/json")


@router.patch(
    "/sessions/{session_id}/metadata",
    response_model=SessionAnswer,
    responses=refusals(
        *(404, 409, 413, 415),
        codes=(
            *("session_not_found", "run_not_found"),
            *("name_taken", "session_running", "invalid_name"),
        ),
    ),
)
async def update_metadata(session_id: Id, body: SessionChangesBody, manager: Served) -> Response:
    """Change the given fields, as `PATCH /sessions/{session_id}` does."""
    change = UpdateSession(session_id=session_id, **body.model_dump())
    return answer(SessionAnswer(session=session_body(await manager.update_session(change))))


def earlier_event(event: Event, session_id: str) -> dict[str, Any]:
    """Return an event in the form of the earlier system; fields unknown to it are kept."""
    fields = event.fields
    timestamp = fields.get("timestamp") or to_text(event.recorded_at)
    own = manager_fields(event, session_id)
    shown = {**_ALL_FIELDS, **fields, **own, "timestamp": timestamp}
    return {**shown, "id": event.number}


def _parse(value: Any) -> tuple[str, str, NewEvent]:
    if not isinstance(value, dict):
        raise InvalidEventError("an event must be a JSON object")
    for name in _REQUIRED:
        if not isinstance(value.get(name), str):
            raise InvalidEventError(f"{name} is required: a string")
    session_id, session_name = value["session_id"], value["session_name"]
    event = parse_event(value, session_id=session_id)
    if event.question is not None:
        raise InvalidEventError(
            f"{event.event_type} comes only from the supervisor of a run: "
            "POST /sessions/{session_id}/events"
        )
    if event.event_type == "session_start":
        if not is_session_id(session_id):
            raise InvalidEventError("session_id is not a valid session id")
        if not 0 < len(session_name) <= MAX_NAME_CHARS:
            raise InvalidEventError(f"session_name has 1 to {MAX_NAME_CHARS} characters")
    return session_id, session_name, event


async def _start(manager: Manager, session_id: str, session_name: str) -> None:
    """Create the session, or open its next run.

    If several starts arrive at once, one of them creates the session or opens the run. A start of
    a running session changes nothing, for example a start that is sent again.
    """
    try:
        new = CreateSession(session_id=session_id, session_name=session_name)
        await manager.create_session(new)
    except SessionExistsError:
        with suppress(SessionRunningError):
            await manager.open_run(OpenRun(session_id=session_id))


async def _page(manager: Manager, session_id: str, after_seq: int) -> EventPage:
    """Return a page of the events past a seq; it is empty if the session does not exist."""
    where = EventFilter(after_seq=after_seq)
    try:
        return await manager.list_events(session_id, where, limit=MAX_PAGE)
    except SessionNotFoundError:
        return EventPage(events=[], has_more=False)


async def _all(manager: Manager, session_id: str, page: EventPage) -> AsyncIterator[bytes]:
    """Yield all events as one JSON document, page by page, so that memory use is bounded."""
    yield b'{"events":['
    separator = b""
    while page.events:
        shown = (orjson.dumps(earlier_event(event, session_id)) for event in page.events)
        yield separator + b",".join(shown)
        separator = b","
        if not page.has_more:
            break
        page = await _page(manager, session_id, page.events[-1].seq)
    yield b"]}"
