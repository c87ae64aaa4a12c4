"""The end of a run, from the end of its turn and of Codex."""

from __future__ import annotations

import json

from ..events.event import Event
from ..events.prepare import create_event
from ..machine.processes import shell_exit_code, signal_name
from .app_server import AppServer
from .installation import HOW_TO_LOG_IN
from .translation import Json, Translation, status_code_of

ERROR_LINES = 10


def session_stop(translation: Translation, server: AppServer, breakdown: str | None) -> Event:
    """Return the last event of a run whose process has ended.

    A turn counts only with an answer: Codex also completes one in which it has said nothing.
    """
    error = _failure(translation, server, breakdown)
    if error is None:
        return create_event("session_stop", exit_code=0, reason="completed")
    code = shell_exit_code(server.exit_code or 1)
    return create_event("session_stop", exit_code=code, reason="failed", error=error)


def _failure(translation: Translation, server: AppServer, breakdown: str | None) -> str | None:
    end = translation.end
    if end is None:
        return _death(translation, server, breakdown)
    error = end.get("error") if isinstance(end.get("error"), dict) else translation.failure
    if end.get("status") == "failed" or translation.is_broken:
        return _told_by(error or {})
    after = " after a refused permission" if translation.was_refused else ""
    if end.get("status") != "completed":
        return f"Codex ended its turn{after} as {end.get('status')}"
    if not translation.has_answer:
        return f"Codex stopped{after} without an answer"
    return None


def _death(translation: Translation, server: AppServer, breakdown: str | None) -> str:
    """Return why Codex ended within its turn."""
    if breakdown is not None:
        return f"the output of Codex could not be read: {breakdown}"
    last_lines = server.last_lines(ERROR_LINES)
    if translation.failure is not None:
        last_lines = last_lines or _told_by(translation.failure)
    why = f": {last_lines}" if last_lines else ""
    code = server.exit_code or 0
    if code < 0:
        return f"Codex was killed by {signal_name(-code)}{why}"
    return f"Codex ended with exit code {code} within its turn{why}"


def _told_by(error: Json) -> str:
    """Return the message of an error of Codex, with what the person can do about it."""
    message = str(error.get("message") or "Codex failed without a message")
    try:  # the body of an answer of the API
        match json.loads(message):
            case {"error": {"message": str(inner)}}:
                message = inner
    except ValueError:
        pass
    if error.get("codexErrorInfo") == "unauthorized" or status_code_of(error) == 401:
        return f"Codex has no valid login ({message}): {HOW_TO_LOG_IN}"
    return message
