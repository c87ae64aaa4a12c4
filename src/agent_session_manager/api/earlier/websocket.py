"""The WebSocket of the earlier system: the current sessions, then all changes and events.

A reader has two cursors and no queue, as in every other feed. It gets each event of all sessions
once, in commit order. A reader that takes nothing for a while is disconnected. Messages from the
reader are read and ignored.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress

import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

from agent_session_manager.api.earlier.routes import earlier_event
from agent_session_manager.api.wire.common import dump
from agent_session_manager.api.wire.sessions import SessionBody, session_body
from agent_session_manager.concurrency.wakeups import is_set_within
from agent_session_manager.domain.errors import OrchestratorError
from agent_session_manager.domain.events.event import Event
from agent_session_manager.feed.feed import CHANGES_AT_ONCE, LIST_PACE_SECONDS
from agent_session_manager.feed.tail import CHARS_AT_ONCE, EVENTS_AT_ONCE, HEARTBEAT_SECONDS
from agent_session_manager.manager.manager import Manager
from agent_session_manager.store.feeds import Beginning, ChangedSession, DeletedSession
from agent_session_manager.transport.connection import send_until_left

logger = logging.getLogger(__name__)

MAX_SESSIONS = 1000
PACE_SECONDS = 0.01
SECONDS_PER_READER = 0.001
"""Pause per open reader: with many readers, each gets larger batches less often."""
SERVICE_RESTART = 1012
TRY_AGAIN_LATER = 1013

router = APIRouter()


class _Init(BaseModel):
    type: str = "init"
    sessions: list[SessionBody]


class _SessionFrame(BaseModel):
    type: str
    session: SessionBody


@router.websocket("/ws")
async def follow_everything(websocket: WebSocket) -> None:
    """Send everything until the reader leaves or stalls, or the manager stops."""
    manager: Manager = websocket.app.state.manager
    try:
        with manager.reading() as changed:
            beginning = await manager.read_beginning(limit=MAX_SESSIONS)
            await websocket.accept()
            frames = _frames(manager, changed, beginning)
            await send_until_left(_send(websocket, frames), _left(websocket))
    except OrchestratorError as exc:
        logger.info("a WebSocket was closed, its reader may reconnect: %s", exc)
        with suppress(WebSocketDisconnect):
            await websocket.close(TRY_AGAIN_LATER)


async def _send(websocket: WebSocket, frames: AsyncGenerator[str]) -> None:
    async with aclosing(frames):
        with suppress(WebSocketDisconnect):
            async for frame in frames:
                await websocket.send_text(frame)
            await websocket.close(SERVICE_RESTART)


async def _left(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


async def _frames(
    manager: Manager, changed: asyncio.Event, beginning: Beginning
) -> AsyncGenerator[str]:
    """Yield the current sessions, then changes and events, until the manager stops.

    Events are sent at once, changes of sessions at most once a second. But a change is always sent
    before the events that it explains: the first event of a session, its starts and its stops.
    """
    cursor = known = beginning.cursor
    number = beginning.number
    yield _text(_Init(sessions=[session_body(session) for session in beginning.sessions]))
    now = asyncio.get_running_loop().time
    list_at = 0.0
    while not manager.is_stopping:
        changed.clear()
        events = await manager.read_events(number, EVENTS_AT_ONCE, CHARS_AT_ONCE)
        is_due = now() >= list_at
        if is_due or any(_explained(event) for _, event in events):
            found = await manager.read_changes(cursor, CHANGES_AT_ONCE, known)
            cursor = found.cursor
            for change in found.changes:
                yield _change(change)
            known = known if found.has_more else cursor
            if found.has_more or any(isinstance(gone, DeletedSession) for gone in found.changes):
                continue  # and read the events again, without those of a deleted session
            list_at = now() + LIST_PACE_SECONDS
        if not events:
            await is_set_within(changed, HEARTBEAT_SECONDS if is_due else list_at - now())
            continue
        is_full = _is_full(events)
        while events:  # a slow reader must keep no more events in memory than needed
            session_id, event = events.pop(0)
            yield _event(event, session_id)
            number = event.number
        if not is_full:
            await asyncio.sleep(max(PACE_SECONDS, manager.metrics.readers * SECONDS_PER_READER))


def _is_full(events: Sequence[tuple[str, Event]]) -> bool:
    """Return whether the read reached a limit, so that more events may follow."""
    chars = sum(len(event.fields_json) for _, event in events)
    return len(events) >= EVENTS_AT_ONCE or chars >= CHARS_AT_ONCE


def _explained(event: Event) -> bool:
    return event.seq == 1 or event.event_type in ("session_start", "session_stop")


def _change(change: ChangedSession | DeletedSession) -> str:
    if isinstance(change, DeletedSession):
        gone = {"type": "session_deleted", "session_id": change.session_id}
        return orjson.dumps(gone).decode()
    kind = "session_created" if change.is_new else "session_updated"
    return _text(_SessionFrame(type=kind, session=session_body(change.session)))


def _event(event: Event, session_id: str) -> str:
    return orjson.dumps({"type": "event", "data": earlier_event(event, session_id)}).decode()


def _text(frame: BaseModel) -> str:
    return dump(frame).decode()
