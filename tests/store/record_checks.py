"""Comparisons of what a store shows with the model of the record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agent_session_manager.domain.sessions.attention import AttentionKind
from agent_session_manager.domain.sessions.request import Request
from agent_session_manager.domain.sessions.session import Session, State
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.queries import EventFilter, SessionFilter
from tests.support.record_model import OWN_NAMES, Model, ModelSession, Value


def check_record(store: SqlStore, model: Model, session_id: str) -> None:
    """Compare a session, its runs, its events, its requests and its result with the model."""
    wanted = model.sessions[session_id]
    session = store.get_session(session_id)
    check_session(model, session)
    check_attention(store, session)
    runs = store.list_runs(session_id)
    assert [(run.run, run.exit_code, run.reason, run.usage.input_tokens) for run in runs] == [
        (number, run.exit_code, run.reason, run.tokens) for number, run in enumerate(wanted.runs, 1)
    ]
    assert store.get_status(session_id) == wanted.status
    _check_events(store, session_id, wanted)
    for number, run in enumerate(wanted.runs, 1):
        asked = store.list_requests(session_id, number)
        assert [shown_request(request) for request in asked] == [*run.requests.values()]
    result = wanted.result
    if isinstance(result, str):
        assert store.get_result(session_id) == result
    else:
        with pytest.raises(result):
            store.get_result(session_id)


def check_attention(store: SqlStore, session: Session) -> None:
    """Compare what a session expects of a person with the rules, and with the filter of lists."""
    kind = None if session.attention is None else session.attention.kind
    assert kind == _expected_attention(session)
    for asked in AttentionKind:
        page = store.list_sessions(SessionFilter(attention=(asked,)), limit=1000)
        assert (session.session_id in {each.session_id for each in page.sessions}) == (
            kind == asked
        )


def _expected_attention(session: Session) -> AttentionKind | None:
    newest = session.newest_run
    if session.archived_at is not None:
        return None
    if session.state is State.WAITING:
        return AttentionKind.ASKS
    is_seen = session.seen_run >= newest.run
    if newest.reason is None or session.parent_session_id or is_seen or newest.is_imported:
        return None
    if session.state in (State.FAILED, State.LOST):
        return AttentionKind.FAILED
    if session.state is not State.FINISHED:
        return None
    if newest.denied_calls:
        return AttentionKind.DENIED
    is_question = (newest.outcome or "").endswith("?")
    return AttentionKind.QUESTION if is_question else AttentionKind.DONE


def check_session(model: Model, session: Session, *, with_term: bool = True) -> None:
    """Compare one session with the model; `with_term` also the end of its lease."""
    wanted = model.sessions[session.session_id]
    newest, lease = session.newest_run, wanted.newest.lease
    children = [s for s in model.sessions.values() if s.parent_session_id]
    assert (
        session.session_name, session.project_dir, session.agent_name, session.unique_name,
        session.archived_at is not None, session.last_seq, session.status, session.state,
        newest.run, newest.exit_code, newest.reason, newest.host, newest.denied_calls,
        newest.outcome, session.seen_run,
        session.usage.input_tokens, session.child_count, session.waiting_questions,
    ) == (
        wanted.session_name, wanted.project_dir, wanted.agent_name, wanted.unique_name,
        wanted.archived, len(wanted.events), wanted.status, wanted.state,
        len(wanted.runs), wanted.newest.exit_code, wanted.newest.reason, wanted.newest.host,
        wanted.denied_calls, wanted.outcome, wanted.seen_run,
        sum(run.tokens for run in wanted.runs),
        sum(child.parent_session_id == session.session_id for child in children),
        len(wanted.waiting),
    )  # fmt: skip
    shown = None if newest.lease is None else (newest.lease.holder, newest.lease.expires_at)
    assert shown == lease if with_term else (shown or [None])[0] == (lease or [None])[0]


def _check_events(store: SqlStore, session_id: str, wanted: ModelSession) -> None:
    expected = [
        (e["seq"], e["run"], e["late"], e["value"]["event_type"], e["value"].get("event_id"),
         {name: value for name, value in e["value"].items() if name not in OWN_NAMES})
        for e in wanted.events
    ]  # fmt: skip
    up, down = [*_walk(store, session_id, 1)], [*_walk(store, session_id, -1)]
    assert up == expected
    assert down == expected[::-1]


def _walk(store: SqlStore, session_id: str, direction: int) -> Iterator[tuple[Any, ...]]:
    """Yield all events page by page, in ascending or descending order."""
    at = 0 if direction > 0 else 2**31
    more = True
    while more:
        where = EventFilter(after_seq=at) if direction > 0 else EventFilter(before_seq=at)
        page = store.list_events(session_id, where, limit=7)
        for event in page.events:
            assert (event.seq - at) * direction > 0
            at = event.seq
            yield (
                event.seq, event.run, event.late, event.event_type, event.event_id, event.fields
            )  # fmt: skip
        more = page.has_more


def shown_request(request: Request) -> Value:
    return {
        "request_id": request.request_id,
        "kind": request.kind.value,
        "payload": request.payload,
        "state": request.state.value,
        "detail": request.detail,
    }
