"""The routes that clients of the earlier system call.

Deprecated from the first day: they go as a whole, with `earlier_ws.py`, their tests and
`docs/earlier-clients.md`. What is said here is what those clients say, and everything is kept and
decided by what serves the other routes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from agent_session_manager.api.http.aside import Pause, in_turn
from agent_session_manager.api.http.body import JsonRoute, parse_json
from agent_session_manager.api.http.depends import Id, Served
from agent_session_manager.api.http.masker import masker_of
from agent_session_manager.api.http.responses import answer, refusals
from agent_session_manager.api.wire.common import to_text
from agent_session_manager.api.wire.events import event_to_wire
from agent_session_manager.api.wire.limits import MAX_PAGE
from agent_session_manager.api.wire.sessions import SessionAnswer, SessionChangesBody, session_body
from agent_session_manager.domain.errors import (
    InvalidEventError,
    SessionExistsError,
    SessionNotFoundError,
    SessionRunningError,
)
from agent_session_manager.domain.event import Event, NewEvent, parse_event
from agent_session_manager.domain.session import MAX_NAME_CHARS, is_session_id
from agent_session_manager.manager.manager import Manager
from agent_session_manager.store.changes import CreateSession, OpenRun, UpdateSession
from agent_session_manager.store.queries import EventFilter, EventPage

router = APIRouter(route_class=JsonRoute, tags=["earlier clients"], deprecated=True)

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
# What the earlier system's events have always: those clients look for it, and find null.
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
    events: list[dict[str, Any]]


@router.post(
    "/events",
    response_model=OkAnswer,
    responses=refusals(404, 413, 415, 503, 507),
    openapi_extra={"requestBody": _EVENT},
)
async def append_event(request: Request, manager: Served) -> Response:
    """Append one event; `session_start` also creates its session, or sets it running again."""
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
    """List all events of a session, the oldest first; none of an unknown one."""
    first = await _page(manager, session_id, 0)
    return StreamingResponse(_all(manager, session_id, first), media_type="application/json")


@router.patch(
    "/sessions/{session_id}/metadata",
    response_model=SessionAnswer,
    responses=refusals(404, 409, 413, 415),
)
async def update_metadata(session_id: Id, body: SessionChangesBody, manager: Served) -> Response:
    """Change what is given, as `PATCH /sessions/{session_id}` does."""
    change = UpdateSession(session_id=session_id, **body.model_dump())
    return answer(SessionAnswer(session=session_body(await manager.update_session(change))))


def earlier_event(event: Event, session_id: str) -> dict[str, Any]:
    """An event as the earlier system shows it; the fields that it did not know stay in it."""
    timestamp = event.fields.get("timestamp") or to_text(event.recorded_at)
    shown = {**_ALL_FIELDS, **event_to_wire(event, session_id), "timestamp": timestamp}
    return {**shown, "id": event.number}


def _parse(value: Any) -> tuple[str, str, NewEvent]:
    if not isinstance(value, dict):
        raise InvalidEventError("an event is a JSON object")
    for name in _REQUIRED:
        if not isinstance(value.get(name), str):
            raise InvalidEventError(f"{name} is required: a string")
    session_id, session_name = value["session_id"], value["session_name"]
    event = parse_event(value, session_id=session_id)
    if event.event_type == "session_start":
        if not is_session_id(session_id):
            raise InvalidEventError("session_id cannot be the id of a session")
        if not 0 < len(session_name) <= MAX_NAME_CHARS:
            raise InvalidEventError(f"session_name has 1 to {MAX_NAME_CHARS} characters")
    return session_id, session_name, event


async def _start(manager: Manager, session_id: str, session_name: str) -> None:
    """Have the session running: as a new one, or by its next run.

    Of several starts at once one creates it, or opens the run. One of a session that is running,
    such as a start that is sent again, leaves it as it is.
    """
    try:
        new = CreateSession(session_id=session_id, session_name=session_name)
        await manager.create_session(new)
    except SessionExistsError:
        with suppress(SessionRunningError):
            await manager.open_run(OpenRun(session_id=session_id))


async def _page(manager: Manager, session_id: str, after_seq: int) -> EventPage:
    """Some events past a seq; none of a session that is not there, or not any more."""
    where = EventFilter(after_seq=after_seq)
    try:
        return await manager.list_events(session_id, where, limit=MAX_PAGE)
    except SessionNotFoundError:
        return EventPage(events=[], has_more=False)


async def _all(manager: Manager, session_id: str, page: EventPage) -> AsyncIterator[bytes]:
    """All events as one JSON document, page by page, so that no session is too long."""
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
