"""Error codes of the manager, and the decision which errors are temporary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..session_client import SessionClientError, _refusal

if TYPE_CHECKING:
    import httpx

NAME_TAKEN = "name_taken"
INVALID_NAME = "invalid_name"
INVALID_QUERY = "invalid_query"
LOST_CODES = frozenset({"lease_held", "run_finished", "run_not_found", "run_superseded"})
NO_RESULT = "no_result"
SESSION_NOT_FINISHED = "session_not_finished"
RUN_NOT_DRIVEN = "run_not_driven"
"""A person works in the run: it takes no requests."""
QUESTION_NOT_FOUND = "question_not_found"
QUESTION_CLOSED = "question_closed"
"""The question was decided, or its run has ended."""
INVALID_ANSWER = "invalid_answer"
"""The answer does not fit the question, which is still open."""
RUN_NOT_AUTOMATIC = "run_not_automatic"
"""No notice is a reason for the run, or the notices are held."""
RUN_NOT_NEXT = "run_not_next"
SESSION_RUNNING = "session_running"
NOT_FOR_RUNS = "not_for_runs"
RUN_TOKEN_UNKNOWN = "run_token_unknown"
"""The token was revoked, or its session was deleted. No manager will accept it again."""
VERSION_CONFLICT = "version_conflict"
TRANSCRIPTS_OFF = "transcripts_off"
RECORD_BEHIND = "record_behind"
"""The manager has lost confirmed data, for example because an older backup was restored."""
INTERNAL_ERROR = "internal_error"
JSON_ONLY = "json_only"
_PASSING = (401, 408, 425, 429)
_PASSES = {
    RUN_TOKEN_UNKNOWN: False,
    # These depend on the manager's settings, not on the request.
    "host_not_allowed": True,
    "origin_not_allowed": True,
}
"""True for temporary errors, False for permanent ones, where the status would be misleading."""


def refusal_of_stream(what: str, response: httpx.Response) -> SessionClientError:
    """Read the body of a refused stream, and return the error that it describes."""
    response.read()
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        answer = None
    return _refusal(what, response, answer)


def may_pass(error: Exception) -> bool:
    """Return whether the error is temporary, so that the same request may succeed later.

    An error without a code is not from a manager. It is from a proxy, or from another program that
    used the port while the manager was down. A manager that is starting may not know our token yet.
    """
    if not isinstance(error, SessionClientError):
        return False
    status, code = error.status_code, error.code
    if code is None or status is None:
        return True
    return _PASSES.get(code, status >= 500 or status in _PASSING)
