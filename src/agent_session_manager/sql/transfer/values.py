"""Checks and masks for the values of an import, the same as for values that arrive over HTTP.

Each function takes the columns of a line and returns them as they are stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent_session_manager.domain.errors import OrchestratorError
from agent_session_manager.domain.events.event import parse_event
from agent_session_manager.domain.json_values import UnstorableJsonError, check_value
from agent_session_manager.domain.raw_json import check_object
from agent_shared.masking import Masking

Values = dict[str, Any]
Taking = Callable[[Values], Values]

_JSON_COLUMNS = ("fields", "spec", "payload")


class NotStorableError(Exception):
    """A value that a manager would not accept over HTTP."""


def take(values: Values, taking: Taking | None) -> Values:
    """Check and mask the values of a line.

    Raises:
        NotStorableError: a value is not valid; the text says why.
    """
    try:
        for name in _JSON_COLUMNS:
            check_value(values.get(name))
        return values if taking is None else taking(values)
    except (UnstorableJsonError, OrchestratorError) as exc:
        raise NotStorableError(str(exc)) from exc


def take_event(values: Values) -> Values:
    """Check and mask an event as if it were appended."""
    own = {name: values[name] for name in ("event_type", "event_id", "run")}
    fields = values["fields"]
    if fields.keys() & own.keys() or parse_event(fields | own, session_id="").fields != fields:
        raise NotStorableError("its fields include a name that only the manager sets")
    return values | {"fields": Masking().event(fields)}


def take_session(values: Values) -> Values:
    return _masked(values, "prompt")


def take_run(values: Values) -> Values:
    return _masked(values, "spec", "outcome", "denied_tools")


def take_request(values: Values) -> Values:
    """Mask the credentials of a request, even if it is open: its run is on another machine."""
    return _masked(values, "payload", "detail")


def _masked(values: Values, *names: str) -> Values:
    masking = Masking()
    return values | {name: masking.value(values[name]) for name in names}


def take_entry(values: Values) -> Values:
    """Check that a line of a transcript is a JSON object; its text is not changed."""
    return values | {"line": check_object(values["line"])}


def take_summary(values: Values) -> Values:
    return values | {"summary": check_object(values["summary"])}
