"""Changes that a test commits alone, and reads of a store in a short form."""

from __future__ import annotations

from typing import Any

from agent_session_manager.domain.events.event import parse_event
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.store.change import Change
from agent_session_manager.store.changes import AppendEvents, CreateSession, OpenRun, UpdateSession
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import EventFilter, SessionFilter


def made(store: Store, change: Change[Any]) -> Any:
    """Commit one change alone and return its outcome."""
    (outcome,) = store.commit([change])
    return outcome


def create(store: Store, session_id: str = "s", **fields: Any) -> Session:
    new = CreateSession(**{"session_id": session_id, "session_name": session_id, **fields})
    session = made(store, new)
    assert isinstance(session, Session), session
    return session


def appending(session_id: str, *values: dict[str, Any]) -> AppendEvents:
    events = [parse_event(value, session_id=session_id) for value in values]
    return AppendEvents(session_id=session_id, events=events)


def append(store: Store, *values: dict[str, Any], session_id: str = "s") -> list[int]:
    seqs = made(store, appending(session_id, *values))
    assert isinstance(seqs, list), seqs
    return [int(seq) for seq in seqs]


def open_run(store: Store, session_id: str = "s", **fields: Any) -> Session:
    session = made(store, OpenRun(session_id=session_id, **fields))
    assert isinstance(session, Session), session
    return session


def update(store: Store, session_id: str = "s", **fields: Any) -> Session:
    session = made(store, UpdateSession(session_id=session_id, **fields))
    assert isinstance(session, Session), session
    return session


def kinds(outcomes: list[Any]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def seqs_of(store: Store, session_id: str = "s", **where: Any) -> list[int]:
    page = store.list_events(session_id, EventFilter(**where), limit=1000)
    return [event.seq for event in page.events]


def ids(store: Store, **where: Any) -> list[str]:
    page = store.list_sessions(SessionFilter(**where), limit=1000)
    return [session.session_id for session in page.sessions]
