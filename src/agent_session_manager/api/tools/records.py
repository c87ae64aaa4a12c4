"""The tools that read: results, lists and events."""

from __future__ import annotations

from typing import Any

import orjson

from agent_session_manager.api.tools.arguments import (
    EventsArguments,
    ListArguments,
    ResultArguments,
)
from agent_session_manager.api.tools.call import Answer, Call, ToolError, cut, row_of
from agent_session_manager.api.wire.events import event_to_json
from agent_session_manager.api.wire.limits import MAX_NUMBER
from agent_session_manager.api.wire.sessions import session_body
from agent_session_manager.domain.errors import NoResultError
from agent_session_manager.domain.sessions.session import Reason, Session
from agent_session_manager.manager.manager import Manager
from agent_session_manager.store.queries import EventFilter

MAX_RESULT_CHARS = 20_000
MAX_LINE_CHARS = 240
MAX_ERROR_CHARS = 2_000
_TEXTS = ("error", "content", "tool_output", "tool_input", "result", "reason", "title")
"""Fields of an event that may hold its text, the most telling first."""


async def get_result(call: Call, given: ResultArguments) -> Answer:
    """Return the answer of a session that has ended, a part at a time."""
    session = await call.find(given.session)
    if session.status == "running":
        raise ToolError(
            "not_finished",
            f"session {session.session_name!r} is still running: use wait_sessions, then ask again",
        )
    usage = session_body(session).usage
    return {
        **row_of(session),
        **await ending_of(call, session, MAX_RESULT_CHARS, offset=given.offset),
        "usage": usage.model_dump(mode="json"),
    }


async def ending_of(call: Call, session: Session, limit: int, *, offset: int = 0) -> Answer:
    """Return the `result` of a session that has ended, and its `error` if it did not complete.

    From now on the calling agent knows of a success, so no notice tells it.
    """
    manager = call.manager
    ending: Answer = {}
    if session.newest_run.reason is not Reason.COMPLETED:
        ending["error"] = await _error_of(manager, session)
    try:
        ending["result"] = cut(await manager.get_result(session.session_id), limit, offset=offset)
    except NoResultError:
        ending["result"] = None
    await manager.notices.note_known(call.caller, session.session_id)
    return ending


async def _error_of(manager: Manager, session: Session) -> str:
    """Return why the newest run has not completed, as its last event says it."""
    page = await manager.list_events(
        session.session_id,
        EventFilter(before_seq=MAX_NUMBER, event_type="session_stop", run=session.newest_run.run),
        limit=1,
    )
    said = page.events[0].fields.get("error") if page.events else None
    return str(said)[:MAX_ERROR_CHARS] if said else f"the run ended: {session.newest_run.reason}"


async def list_sessions(call: Call, given: ListArguments) -> Answer:
    """Return the sessions that the caller may see, last active first."""
    found = await call.list(limit=given.limit + 1, state=given.state and (given.state,))
    own = call.caller and call.caller.session_id
    return {
        "sessions": [
            {**row_of(session), **({"is_own": True} if session.session_id == own else {})}
            for session in found[: given.limit]
        ],
        "has_more": len(found) > given.limit,
    }


async def read_events(call: Call, given: EventsArguments) -> Answer:
    """Return events of a session as short lines, oldest first."""
    session = await call.find(given.session)
    where = (
        EventFilter(before_seq=MAX_NUMBER)
        if given.after_seq is None
        else EventFilter(after_seq=given.after_seq)
    )
    page = await call.manager.list_events(session.session_id, where, limit=given.limit)
    events = page.events[::-1] if given.after_seq is None else page.events
    last = events[-1].seq if events else given.after_seq or 0
    return {
        "session_id": session.session_id,
        "state": row_of(session)["state"],
        "events": [_line(orjson.loads(event_to_json(e, session.session_id))) for e in events],
        "last_seq": last,
        "has_more": last < session.last_seq,
    }


def _line(event: dict[str, Any]) -> str:
    """Return an event as one line of limited length."""
    words = [f"[{event['seq']}]", str(event["event_type"])]
    words += [str(event[name]) for name in ("role", "tool_name") if event.get(name)]
    text = next((_flat(event[name]) for name in _TEXTS if event.get(name)), "")
    line = " ".join(words) + (f": {text}" if text else "")
    return line if len(line) <= MAX_LINE_CHARS else line[: MAX_LINE_CHARS - 1] + "…"


def _flat(value: Any) -> str:
    """Return the text of a field, or else its JSON, in one line."""
    if isinstance(value, list):
        blocks = [block.get("text", "") for block in value if isinstance(block, dict)]
        value = " ".join(map(str, blocks)) or value
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return " ".join(text[: 4 * MAX_LINE_CHARS].split())
