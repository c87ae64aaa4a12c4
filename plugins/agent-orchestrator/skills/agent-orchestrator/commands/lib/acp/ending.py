"""Decides how a run has ended. Some agents report a failed turn as a good one."""

from __future__ import annotations

from typing import Any

from ..events.event import Event
from ..events.prepare import create_event
from ..machine.processes import shell_exit_code, signal_name
from .connection import Connection
from .presets.preset import Preset
from .translation import Translation

Json = dict[str, Any]

_STOPS = {
    "max_tokens": "its answer has reached the limit of tokens",
    "max_turn_requests": "the turn has reached the agent's limit of model requests",
    "refusal": "the model refused to continue",
    "cancelled": "the agent cancelled its turn",
}


def turn_failure(preset: Preset, translation: Translation, answer: Json) -> str | None:
    """Return why the turn that this answer ends has failed; None if it went well."""
    if translation.error_words:
        return translation.error_words
    if translation.was_refused and not translation.has_answer:
        return f"{preset.agent} stopped after a refused permission"
    reason = answer.get("stopReason")
    if reason != "end_turn":
        known = _STOPS.get(str(reason), f"it ended its turn with {reason!r}")
        return f"{preset.agent} did not finish: {known}"
    if preset.error_words and "usage" not in answer:
        return f"{preset.agent} ended its turn without usage, as it does after an error of its API"
    if not translation.has_answer:
        return f"{preset.agent} ended its turn without an answer"
    return None


def session_stop(connection: Connection, failure: str | None) -> Event:
    """Return the last event of a run whose processes have ended."""
    if failure is None:
        return create_event("session_stop", exit_code=0, reason="completed")
    code = shell_exit_code(connection.exit_code or 1)
    return create_event("session_stop", exit_code=code, reason="failed", error=failure)


def death(preset: Preset, connection: Connection, breakdown: str | None) -> str:
    """Return why the agent ended within its turn."""
    if breakdown is not None:
        return f"the output of {preset.agent} could not be read: {breakdown}"
    last_lines = connection.last_lines()
    why = f": {last_lines}" if last_lines else ""
    code = connection.exit_code
    if code is not None and code < 0:
        return f"{preset.agent} was killed by {signal_name(-code)}{why}"
    return f"{preset.agent} ended with exit code {code} within its turn{why}"
