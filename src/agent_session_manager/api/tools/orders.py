"""The tools that start and resume sessions: durable requests to the caller's own supervisor.

The manager starts no process. The supervisor is on the same machine as the agent, belongs to the
same person and has the same environment. It does what `ao-new` or `ao-resume` would do.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any
from uuid import uuid4

from agent_session_manager.api.tools.arguments import ResumeArguments, StartArguments
from agent_session_manager.api.tools.call import Answer, Call, ToolError, masked, row_of
from agent_session_manager.domain.errors import RunFinishedError, RunSupersededError
from agent_session_manager.domain.sessions.request import (
    FINAL_STATES,
    Request,
    RequestKind,
    RequestState,
)
from agent_session_manager.domain.sessions.run_token import RunCaller
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.manager.manager import Manager
from agent_session_manager.store.changes import CreateRequest

SETTLE_SECONDS = 40.0
"""Longest wait for the supervisor. A later call with the same arguments waits for the same."""
ASKED = "asked"
"""Field of a run's spec: the digest of the text for which the run was started."""
_CODE = re.compile(r"([a-z_]{3,40}): (.*)", re.DOTALL)


async def start_session(call: Call, given: StartArguments) -> Answer:
    """Start a session below the caller's own, once for a name and a prompt."""
    caller = _agent_of(call)
    digest = _digest(given.prompt)
    # Before the sessions: an order that is done by now has its session.
    before = await call.manager.list_requests(caller.session_id, caller.run)
    for child in await call.list(
        parent_session_id=caller.session_id, session_name=given.name, archived=False, limit=2
    ):
        if await _asked(call.manager, child, run=1) != digest:
            raise _name_taken(given.name)
        return {**row_of(child), "is_new": False}
    key = f"start:{sha256(given.name.encode()).hexdigest()[:40]}"
    payload = {**given.model_dump(), "session_id": str(uuid4()), "digest": digest}
    request_id = _request_id(key, before)
    request = await _order(call, caller, request_id, RequestKind.START, payload)
    if request.payload["digest"] != digest:
        raise _name_taken(given.name)
    if request.state not in FINAL_STATES:
        return {"name": given.name, "state": "starting", "call_again": True}
    session = await call.manager.get_session(request.payload["session_id"])
    return {**row_of(session), "is_new": True}


async def resume_session(call: Call, given: ResumeArguments) -> Answer:
    """Start the next run of a session below the caller's own."""
    own = call.caller
    before = await call.manager.list_requests(own.session_id, own.run) if own else []
    session = await call.find_below(given.session)
    caller = _agent_of(call)
    run = session.newest_run.run
    digest = _digest(given.text)
    is_ours = await _asked(call.manager, session, run=run) == digest
    is_repeated = given.after_run == run - 1 or (
        given.after_run is None and session.status == "running"
    )
    if is_ours and is_repeated:
        return {**row_of(session), "is_new": False}
    if given.after_run not in (None, run):
        raise ToolError(
            "not_newest_run",
            f"run {given.after_run} is not the newest run of {session.session_name!r}: that is "
            f"run {run}; read it first",
        )
    if session.status == "running":
        raise ToolError(
            "session_running",
            f"session {session.session_name!r} is running: send_message adds to its task, "
            "stop_session ends it",
        )
    key = f"resume:{sha256(session.session_id.encode()).hexdigest()[:40]}:{run}"
    payload = {
        "session_id": session.session_id,
        "run": run + 1,
        "prompt": given.text,
        "timeout_seconds": given.timeout_seconds,
        "notify": given.notify,
        "digest": digest,
    }
    request_id = _request_id(key, before)
    request = await _order(call, caller, request_id, RequestKind.RESUME, payload)
    if request.payload["digest"] != digest:
        raise ToolError("session_running", "the session is being resumed with another text")
    if request.state not in FINAL_STATES:
        return {**row_of(session), "state": "starting", "call_again": True}
    session = await call.manager.get_session(session.session_id)
    return {**row_of(session), "is_new": True}


def _request_id(key: str, before: list[Request]) -> str:
    """Return the id of the open request of this key, or the next free one."""
    own = [request for request in before if request.request_id.startswith(f"{key}:")]
    is_open = bool(own) and own[-1].state not in FINAL_STATES
    return own[-1].request_id if is_open else f"{key}:{len(own)}"


async def _order(
    call: Call, caller: RunCaller, request_id: str, kind: RequestKind, payload: dict[str, Any]
) -> Request:
    """Return the request of this id, made now unless it is there, once it is settled.

    Raises:
        ToolError: the supervisor has refused it, or is gone.
    """
    manager = call.manager
    try:
        request = await manager.create_request(
            CreateRequest(
                session_id=caller.session_id,
                run=caller.run,
                request_id=request_id,
                kind=kind,
                payload=payload,
            )
        )
    except (RunFinishedError, RunSupersededError) as exc:
        raise _run_ended() from exc
    if request.payload["digest"] != payload["digest"]:
        return request
    found: Request = await call.keep_client_waiting(
        manager.get_request(
            caller.session_id, caller.run, request.request_id, wait_seconds=SETTLE_SECONDS
        ),
        "waiting for the start",
    )
    if found.state in (RequestState.REFUSED, RequestState.EXPIRED):
        raise _refused(found)
    if found.state not in FINAL_STATES:
        own = (await manager.get_session(caller.session_id)).newest_run
        # The requests to a lost run stay open, in case its supervisor comes back.
        if own.is_finished or own.run > caller.run:
            raise _run_ended()
    return found


def _run_ended() -> ToolError:
    return ToolError(
        "run_ended",
        "your own run has ended or was lost, so its supervisor starts nothing: end your work, and "
        "report the unfinished work",
    )


def _refused(request: Request) -> ToolError:
    """Return the supervisor's error; its detail begins with a code."""
    if request.state is RequestState.EXPIRED:
        return _run_ended()
    detail = request.detail or "the supervisor gave no reason"
    found = _CODE.fullmatch(detail)
    return ToolError(*found.groups()) if found else ToolError("not_started", detail)


def _agent_of(call: Call) -> RunCaller:
    """Return the calling run; only the agent of a run has a supervisor that starts sessions."""
    if call.caller is None:
        raise ToolError(
            "not_a_run",
            "the manager starts no processes: outside a run, connect to `ao-mcp` over stdio, which "
            "starts sessions as the person who runs it",
        )
    return call.caller


def _digest(text: str) -> str:
    """Return a digest of a text without its credentials, which it could otherwise reveal."""
    return sha256(masked(text).encode()).hexdigest()


async def _asked(manager: Manager, session: Session, *, run: int) -> object:
    """Return the digest of the text for which a run was started, if it was started here."""
    spec = next(r.spec for r in await manager.list_runs(session.session_id) if r.run == run)
    return (spec or {}).get(ASKED)


def _name_taken(name: str) -> ToolError:
    return ToolError(
        "name_taken",
        f"you have started a session {name!r} with another prompt: send_message or resume_session "
        "continues it, or choose another name",
    )
