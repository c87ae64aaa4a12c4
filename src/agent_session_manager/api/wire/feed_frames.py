"""The frames of feeds on the wire: each is one server-sent event."""

from __future__ import annotations

from typing import assert_never

from pydantic import BaseModel

from agent_session_manager.api.wire.common import dump
from agent_session_manager.api.wire.events import event_to_json
from agent_session_manager.api.wire.sessions import SessionAnswer, SessionDeletedFrame, session_body
from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.events.event import Event
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.feed.frames import (
    Frame,
    Heartbeat,
    ListFrame,
    News,
    SessionChanged,
    SessionDeleted,
    SessionEnded,
    Stopping,
)
from agent_session_manager.store.feeds import ChangedSession, Changes, DeletedSession

PING = b": ping\n\n"
BYE = b"event: bye\ndata: {}\n\n"


def encode_session_frame(frame: Frame) -> bytes:
    """Encode a frame of the feed of a session."""
    match frame:
        case News():
            return _events(frame)
        case SessionChanged():
            return _named("session", _session(frame.session))
        case SessionEnded():
            return _named("end", _session(frame.session))
        case SessionDeleted():
            return _named("deleted", SessionDeletedFrame(session_id=frame.session_id))
        case Heartbeat():
            return PING
        case Stopping():
            return BYE
        case other:
            assert_never(other)


def _events(news: News) -> bytes:
    """Return the encoded events; the first reader encodes them for all."""
    if news.encoded is None:
        news.encoded = b"".join(_event(event, news.session) for event in news.events)
    return news.encoded


def _event(event: Event, session: Session) -> bytes:
    cursor = Cursor(generation=session.generation, number=event.seq)
    return encode_frame("event", event_to_json(event, session.session_id), cursor)


def encode_list_frame(frame: ListFrame) -> bytes:
    """Encode a frame of the feed of all sessions. Each change becomes a frame of its own."""
    match frame:
        case Changes():
            return b"".join(_change(change, frame.cursor) for change in frame.changes)
        case Heartbeat():
            return PING
        case Stopping():
            return BYE
        case other:
            assert_never(other)


def encode_ready(cursor: Cursor) -> bytes:
    """Encode the frame after which the feed of all sessions is live."""
    return encode_frame("ready", b"{}", cursor)


def _change(change: ChangedSession | DeletedSession, cursor: Cursor) -> bytes:
    after = Cursor(generation=cursor.generation, number=change.position)
    if isinstance(change, DeletedSession):
        gone = SessionDeletedFrame(session_id=change.session_id)
        return encode_frame("session_deleted", dump(gone), after)
    name = "session_created" if change.is_new else "session_updated"
    return encode_frame(name, dump(_session(change.session)), after)


def _session(session: Session) -> SessionAnswer:
    return SessionAnswer(session=session_body(session))


def _named(name: str, body: BaseModel) -> bytes:
    return encode_frame(name, dump(body), None)


def encode_frame(name: str, body: bytes, cursor: Cursor | None) -> bytes:
    """Encode one frame. Our JSON contains no line break, so it is one line of data."""
    identity = b"" if cursor is None else b"id: %b\n" % str(cursor).encode()
    return b"event: %b\n%bdata: %b\n\n" % (name.encode(), identity, body)
