"""The tools that act on a running session below the caller's: a message, and a stop."""

from __future__ import annotations

from hashlib import sha256
from uuid import uuid4

from agent_session_manager.api.tools.arguments import MessageArguments, StopArguments
from agent_session_manager.api.tools.call import Answer, Call, ToolError, row_of
from agent_session_manager.domain.sessions.request import Request, RequestKind, RequestState
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.store.changes import CreateRequest

SETTLE_SECONDS = 20.0
"""Longest wait for the supervisor of the session."""


async def send_message(call: Call, given: MessageArguments) -> Answer:
    """Send a message to a running session; say whether its agent has taken it."""
    session = await call.find_below(given.session)
    if session.status == "finished":
        raise ToolError(
            "not_running",
            f"session {session.session_name!r} has ended: resume_session continues it",
        )
    request = await _order(call, session, RequestKind.MESSAGE, {"text": given.text})
    if request.state in (RequestState.REFUSED, RequestState.EXPIRED):
        why = request.detail or "its run has ended"
        raise ToolError("not_taken", f"the message was not taken: {why}")
    return {**row_of(session), "message": "taken" if _is_done(request) else "waiting to be taken"}


async def stop_session(call: Call, given: StopArguments) -> Answer:
    """Stop the run of a session and wait for its end; a session that has ended stays as it is."""
    session = await call.find_below(given.session)
    if session.status == "running":
        await _order(call, session, RequestKind.STOP, {})
        session = await call.manager.get_session(session.session_id)
    return {**row_of(session), "is_stopping": session.status == "running"}


def _is_done(request: Request) -> bool:
    return request.state is RequestState.DONE


async def _order(
    call: Call, session: Session, kind: RequestKind, payload: dict[str, str]
) -> Request:
    """Make a request to the newest run of a session, and wait until it is settled.

    A call that the client repeats makes the same request, and a second stop is the first one.
    """
    run = session.newest_run.run
    request_id = str(uuid4())
    if kind is RequestKind.STOP:
        request_id = "stop:by-parent"
    elif call.call_id is not None and call.caller is not None:
        known = f"{call.caller.session_id} {call.caller.run} {call.call_id}"
        request_id = f"message:{sha256(known.encode()).hexdigest()}"
    change = CreateRequest(
        session_id=session.session_id, run=run, request_id=request_id, kind=kind, payload=payload
    )
    await call.manager.create_request(change)
    request: Request = await call.keep_client_waiting(
        call.manager.get_request(session.session_id, run, request_id, wait_seconds=SETTLE_SECONDS),
        f"waiting for session {session.session_name!r}",
    )
    return request
