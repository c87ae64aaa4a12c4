"""Reads fields from JSON of unknown shape, and builds events from them.

A field of a wrong type counts as missing. Required fields are asked for with `required_text`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ...events.event import Event
from ..items import BrokenRecordError, UnknownRecord

Json = Any
Fields = Mapping[str, Json]

MAX_COUNT = 10**12
"""The largest count that the manager accepts."""
MAX_ID_CHARS = 150
"""An event id has up to 200 characters. This is the part that comes from the source."""
MAX_KEY_CHARS = 200
MAX_TITLE_CHARS = 200
_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_VISIBLE = re.compile(r"[!-~]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MILLISECOND = 253_402_300_799_999
_NANODOLLARS = 10**9
_MAX_DOLLARS = 10**6


def parse_json(text: str | bytes) -> Json:
    """Parse JSON.

    Raises:
        BrokenRecordError: the text is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenRecordError(f"not valid JSON: {error}") from None


def fields_of(value: Json) -> Fields:
    """Return an object, or an empty one for a value of another type."""
    return value if isinstance(value, dict) else {}


def list_of(value: Json) -> list[Json]:
    """Return a list, or an empty one for a value of another type."""
    return value if isinstance(value, list) else []


def text_of(value: Json) -> str | None:
    """Return a text that is not empty, or None."""
    return value if isinstance(value, str) and value else None


def count_of(value: Json) -> int | None:
    """Return a count, or None for any other value."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_COUNT else None


def known_counts(**counts: int | None) -> dict[str, int]:
    """Return the counts that are known."""
    return {name: count for name, count in counts.items() if count is not None}


def nanodollars_of(dollars: Json) -> int | None:
    """Return a cost in nanodollars. None: unknown; 0 can also mean a subscription."""
    if isinstance(dollars, bool) or not isinstance(dollars, int | float):
        return None
    return round(dollars * _NANODOLLARS) or None if 0 < dollars <= _MAX_DOLLARS else None


def required_id(value: Json, name: str) -> str:
    """Return an id from which an event id can be made.

    Raises:
        BrokenRecordError: the value is not a text of 1 to `MAX_ID_CHARS` characters.
    """
    if isinstance(value, str) and 1 <= len(value) <= MAX_ID_CHARS:
        return value
    raise BrokenRecordError(f"{name} is not a text of 1 to {MAX_ID_CHARS} characters")


def request_key(agent: str, *ids: str) -> str:
    """Return the key of a model request. Ids that cannot be part of a key are hashed."""
    key = ":".join((agent, *ids))
    if len(key) <= MAX_KEY_CHARS and _VISIBLE.fullmatch(key):
        return key
    return f"{agent}:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


def is_session_id(value: Json) -> bool:
    """Return whether a value has the form of a session id."""
    return isinstance(value, str) and _SESSION_ID.fullmatch(value) is not None


def session_id_of(value: Json) -> str | None:
    """Return a session id, or None for a value of another form."""
    return value if is_session_id(value) else None


def required_session_id(value: Json) -> str:
    """Return a session id.

    Raises:
        BrokenRecordError: the value does not have the form of a session id.
    """
    if is_session_id(value):
        return str(value)
    raise BrokenRecordError("the session id does not have the form of a session id")


def time_of_milliseconds(value: Json) -> str | None:
    """Return the time of a number of milliseconds since 1970, with a `Z`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 < value <= _LAST_MILLISECOND:
        return None
    return _iso(_EPOCH + timedelta(milliseconds=int(value)))


def time_of_text(value: Json) -> str | None:
    """Return the time of an ISO 8601 text, with a `Z`. A time without a zone counts as UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return _iso(moment)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def title_line(text: str) -> str | None:
    """Return the first line of a text that is not blank, shortened to a title."""
    lines = (" ".join(line.split()) for line in text[: 16 * MAX_TITLE_CHARS].splitlines())
    return next((line[:MAX_TITLE_CHARS] for line in lines if line), None)


def event(event_type: str, event_id: str, timestamp: str | None, /, **values: Json) -> Event:
    """Build an event. Values that are None are left out."""
    found = {"event_type": event_type, "event_id": event_id, "timestamp": timestamp, **values}
    return {name: value for name, value in found.items() if value is not None}


def unknown(group: str, kind: Json) -> UnknownRecord:
    """Return the item of a record whose kind is not known, such as `part hologram`."""
    return UnknownRecord(
        kind=f"{group} {kind[:60] if isinstance(kind, str) else type(kind).__name__}"
    )
