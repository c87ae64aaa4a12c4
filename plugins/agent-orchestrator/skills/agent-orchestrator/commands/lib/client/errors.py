"""What a manager refuses, by the codes that it gives, and what of that may pass."""

from __future__ import annotations

from ..session_client import SessionClientError

NAME_TAKEN = "name_taken"
INVALID_NAME = "invalid_name"
LOST_CODES = frozenset({"lease_held", "run_finished", "run_not_found", "run_superseded"})
NO_RESULT = "no_result"
SESSION_NOT_FINISHED = "session_not_finished"
RUN_NOT_NEXT = "run_not_next"
SESSION_RUNNING = "session_running"
NOT_FOR_RUNS = "not_for_runs"
RUN_TOKEN_UNKNOWN = "run_token_unknown"
"""The token was revoked, or its session deleted: no manager will ever take it again."""
VERSION_CONFLICT = "version_conflict"
TRANSCRIPTS_OFF = "transcripts_off"
RECORD_BEHIND = "record_behind"
"""The manager does not have what it said it has: an older state of its record was put back."""
INTERNAL_ERROR = "internal_error"
_PASSING = (401, 408, 425, 429)
_PASSES = {
    RUN_TOKEN_UNKNOWN: False,
    # Of the manager's settings, whatever was asked for.
    "host_not_allowed": True,
    "origin_not_allowed": True,
}
"""What may pass, where the status alone would say otherwise. Any other refusal is for good."""


def may_pass(error: Exception) -> bool:
    """Whether the same request may be taken later: no manager answered, or it cannot take it now.

    Only a manager names its refusals: what has no code came from somebody else on the way, or on
    its port while it was away. One that is starting may not know our token yet.
    """
    if not isinstance(error, SessionClientError):
        return False
    status, code = error.status_code, error.code
    if code is None or status is None:
        return True
    return _PASSES.get(code, status >= 500 or status in _PASSING)
