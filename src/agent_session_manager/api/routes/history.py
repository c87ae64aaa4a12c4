"""The route through which importers add the history that an agent keeps in files of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from agent_session_manager.api.http.body import JsonRoute
from agent_session_manager.api.http.depends import Id, Served
from agent_session_manager.api.http.masker import Masker, masked, masker_of
from agent_session_manager.api.http.off_loop import Pause, in_turn
from agent_session_manager.api.http.responses import answer, refusals
from agent_session_manager.api.wire.common import to_text
from agent_session_manager.api.wire.history import (
    HistoryAnswer,
    HistoryBody,
    fork_of,
    reason_of,
    request_of,
    source_of,
)
from agent_session_manager.api.wire.runs import holder_of
from agent_session_manager.domain.errors import InvalidEventError
from agent_session_manager.domain.events.event import NewEvent, moment_of, parse_event
from agent_session_manager.domain.sessions.session import MAX_NAME_CHARS
from agent_session_manager.store.history import ImportHistory

router = APIRouter(route_class=JsonRoute, tags=["history"])


@router.post(
    "/sessions/{session_id}/history",
    response_model=HistoryAnswer,
    responses=refusals(
        *(404, 409, 413, 415, 503, 507),
        codes=(
            *("session_not_found", "session_running", "invalid_name", "invalid_event"),
            "disk_full",
        ),
    ),
)
async def import_history(
    request: Request, session_id: Id, body: HistoryBody, manager: Served
) -> Response:
    """Import a part of the history of a session, which is created with the first part.

    Events and requests that are stored already are skipped, so a part can be sent again. The
    imported session has a run of its own. All parts of one source must be sent in order. While a
    client drives a run of the session, the import is refused.

    The run is finished, with the end of the newest turn of the source. While an agent works on that
    turn, a program that follows the source sends `lease`: the run is then open, and `lost` if the
    lease is not renewed in time by a part with a `lease`, which may have no events.
    """
    size = len(await request.body())
    masker = masker_of(request)
    events = await in_turn(
        request, size, lambda pause: _masked(masker, _parse(body.events, session_id), pause)
    )
    title = await masked(request, body.title)
    imported = await manager.import_history(
        ImportHistory(
            session_id=session_id,
            is_beginning=body.begins,
            executor=body.executor,
            host=body.host,
            project_dir=body.project_dir,
            title=title and title[:MAX_NAME_CHARS].strip(),
            parent_session_id=body.parent_session_id,
            forked_from=fork_of(body.forked_from),
            source=source_of(body.source),
            events=events,
            moments=[moment_of(event.fields.get("timestamp")) for event in events],
            requests=[request_of(given) for given in body.requests],
            reason=reason_of(body.reason),
            holder=holder_of(body.lease),
        )
    )
    return answer(
        HistoryAnswer(
            created=imported.is_new,
            new_events=imported.events,
            new_requests=imported.requests,
            last_seq=imported.last_seq,
            lease_seconds=imported.lease_seconds,
        )
    )


def _masked(masker: Masker, events: list[NewEvent], pause: Pause | None) -> list[NewEvent]:
    """Mask the events by their own text: the names of counts in a body look like credentials."""
    return masker.events(events, orjson.dumps([event.fields for event in events]), pause)


def _parse(events: Sequence[Any], session_id: str) -> list[NewEvent]:
    parsed = []
    for index, value in enumerate(events):
        event = parse_event(value, session_id=session_id, index=index)
        if event.event_id is None:
            raise InvalidEventError("event_id is required in history", index=index)
        if event.run is not None:
            raise InvalidEventError("run must be absent in history", index=index)
        if event.question is not None:
            raise InvalidEventError(f"{event.event_type} is not history", index=index)
        moment = moment_of(event.fields.get("timestamp"))
        if moment is not None:
            event.fields["occurred_at"] = to_text(moment)
        parsed.append(event)
    return parsed
