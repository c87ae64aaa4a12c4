"""Messages of a person to the agent of a running session."""

from __future__ import annotations

from uuid import uuid4

from ..client.errors import LOST_CODES, RUN_NOT_DRIVEN
from ..client.manager import Json, ManagerClient
from ..session_client import SessionClientError
from .errors import SessionError
from .follow import wait_for_request
from .resolve import by_hand, state_of

ANSWER_SECONDS = 20.0
"""Time for the run's supervisor to take a message."""


def send_message(manager: ManagerClient, session: Json, text: str) -> Json:
    """Send a message to a session, and return the request once the run's supervisor has taken it.

    If it is still `pending`, the supervisor has not taken it yet.

    Raises:
        SessionError: the run has ended, takes no messages, or a person works in it.
    """
    name = session["session_name"]
    request = _ask(manager, session, text)
    settled = wait_for_request(manager, session, request, timeout_seconds=ANSWER_SECONDS)
    if settled["state"] == "pending":
        ended = manager.get_session(session["session_id"])
        if ended["status"] == "finished":
            raise SessionError(f"session {name!r} {state_of(ended)} before it took the message")
    elif settled["state"] != "done":
        why = settled["detail"] or "the run has ended"
        raise SessionError(f"session {name!r} did not take the message: {why}")
    return settled


def _ask(manager: ManagerClient, session: Json, text: str) -> Json:
    try:
        return manager.create_request(
            session["session_id"], session["run"], str(uuid4()), "message", {"text": text}
        )
    except SessionClientError as exc:
        if exc.code == RUN_NOT_DRIVEN:
            raise SessionError(f"{by_hand(session)}: give them the message there") from exc
        if exc.code not in LOST_CODES:
            raise
        raise SessionError(
            f"session {session['session_name']!r} is not running; ao-resume continues it"
        ) from exc
