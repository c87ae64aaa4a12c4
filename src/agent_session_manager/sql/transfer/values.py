"""What the values of an import have to be: the same checks and masks as for what comes over HTTP.

Each function takes the columns of a line and returns them as they are stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent_session_manager.domain.errors import OrchestratorError
from agent_session_manager.domain.event import parse_event
from agent_session_manager.domain.json_values import UnstorableJsonError, check_value
from agent_session_manager.domain.raw_json import check_object
from agent_shared.masking import Masking

Values = dict[str, Any]
Taking = Callable[[Values], Values]

_JSON_COLUMNS = ("fields", "spec", "payload")


class NotStorableError(Exception):
    """A value that no request could have brought in."""


def take(values: Values, taking: Taking | None) -> Values:
    """Check and mask the values of a line.

    Raises:
        NotStorableError: with what is wrong.
    """
    try:
        for name in _JSON_COLUMNS:
            check_value(values.get(name))
        return values if taking is None else taking(values)
    except (UnstorableJsonError, OrchestratorError) as exc:
        raise NotStorableError(str(exc)) from exc


def take_event(values: Values) -> Values:
    """An event, read as if it were appended."""
    own = {name: values[name] for name in ("event_type", "event_id", "run")}
    fields = values["fields"]
    if fields.keys() & own.keys() or parse_event(fields | own, session_id="").fields != fields:
        raise NotStorableError("its fields have names that are given by the manager")
    return values | {"fields": Masking().event(fields)}


def take_run(values: Values) -> Values:
    return values | {"spec": Masking().value(values["spec"])}


def take_request(values: Values) -> Values:
    """A request with its credentials masked, settled or not: it is of another machine's run."""
    masking = Masking()
    return values | {name: masking.value(values[name]) for name in ("payload", "detail")}


def take_entry(values: Values) -> Values:
    """A line of a transcript, kept as it came if it is a JSON object."""
    return values | {"line": check_object(values["line"])}


def take_summary(values: Values) -> Values:
    return values | {"summary": check_object(values["summary"])}
