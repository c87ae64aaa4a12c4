"""Reads fields from JSON of unknown shape, and builds events from them.

There are two styles. Functions that take a value (`text_of`, `count_of` …) treat a wrong type as
missing, for files that no one has specified. Functions that take a record and a key (`text`,
`optional_id` …) raise `BrokenRecordError` for a wrong type, for files whose source is known.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from ...events.bounded_json import read_bounded
from ...events.event import Event
from ..items import BrokenRecordError, UnknownRecord

Json = Any
Fields = Mapping[str, Json]

MAX_COUNT = 10**12
"""The largest count that the manager accepts."""
MAX_ID_CHARS = 180
"""An event id has up to 200 characters. This is the part that comes from the source."""
MAX_KEY_CHARS = 200
MAX_TITLE_CHARS = 200
PROMPT_TITLE_CHARS = 100
SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_IN_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
"""A time as `time_of_moment` writes it."""
_VISIBLE = re.compile(r"[!-~]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MILLISECOND = 253_402_300_799_999
_NANODOLLARS = 10**9
_MAX_DOLLARS = 10**6


def parse_json(text: str | bytes) -> Json:
    """Parse JSON. Of a value that is too deep for Python, the deepest parts are left out.

    Raises:
        BrokenRecordError: the text is not JSON.
    """
    try:
        try:
            return json.loads(text)
        except RecursionError:
            content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
            return read_bounded(iter((content,))).value
    except ValueError as error:
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
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


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
    return isinstance(value, str) and SESSION_ID.fullmatch(value) is not None


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
    return time_of_moment(_EPOCH + timedelta(milliseconds=int(value)))


def time_of_text(value: Json) -> str | None:
    """Return the time of an ISO 8601 text, with a `Z`. A time without a zone counts as UTC."""
    return _time_of_text(value) if isinstance(value, str) else None


@lru_cache(maxsize=64)  # readers of a record ask several times
def _time_of_text(text: str) -> str | None:
    moment = _moment_of_text(text)
    if moment is None:
        return None
    if _IN_FORM.fullmatch(text):  # nearly all times
        return text
    return time_of_moment(moment.replace(tzinfo=moment.tzinfo or UTC))


def zoned_time_of_text(value: Json) -> datetime | None:
    """Return the time of an ISO 8601 text, or None if it has no zone."""
    moment = _moment_of_text(value)
    return None if moment is None or moment.tzinfo is None else moment.astimezone(UTC)


def _moment_of_text(value: Json) -> datetime | None:
    """Return the time of an ISO 8601 text. It can be expressed in UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment


def time_of_moment(moment: datetime) -> str:
    """Return an aware time in the form of events, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def title_line(text: str) -> str | None:
    """Return the first line of a text that is not blank, shortened to a title."""
    lines = (" ".join(line.split()) for line in text[: 16 * MAX_TITLE_CHARS].splitlines())
    return next((line[:MAX_TITLE_CHARS] for line in lines if line), None)


def prompt_line(prompt: str) -> str:
    """Return the beginning of a prompt, with all its lines as one."""
    line = " ".join(prompt[: PROMPT_TITLE_CHARS * 10].split())
    is_short = len(line) <= PROMPT_TITLE_CHARS
    return line if is_short else line[: PROMPT_TITLE_CHARS - 1] + "…"


def event(event_type: str, event_id: str, timestamp: str | None, /, **values: Json) -> Event:
    """Build an event. Values that are None are left out."""
    found = {"event_type": event_type, "event_id": event_id, "timestamp": timestamp, **values}
    return {name: value for name, value in found.items() if value is not None}


def unknown(group: str, kind: Json) -> UnknownRecord:
    """Return the item of a record whose kind is not known, such as `part hologram`."""
    return UnknownRecord(
        kind=f"{group} {kind[:60] if isinstance(kind, str) else type(kind).__name__}"
    )


def as_record(value: Json, name: str) -> Fields:
    """Return the value if it is an object."""
    if not isinstance(value, dict):
        raise BrokenRecordError(f"{name} is not an object")
    return value


def optional_record(record: Fields, key: str) -> Fields:
    """Return the object under a key; an empty one if it is missing or null."""
    value = record.get(key)
    return {} if value is None else as_record(value, key)


def optional_text(record: Fields, key: str) -> str | None:
    """Return the text under a key, or None if it is missing, null or empty."""
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise BrokenRecordError(f"{key} is not a text")
    return value or None


def text(record: Fields, key: str) -> str:
    """Return the text under a key, which must not be empty."""
    value = optional_text(record, key)
    if value is None:
        raise BrokenRecordError(f"{key} is missing")
    return value


def optional_id(record: Fields, key: str) -> str | None:
    """Return the id under a key, or None if it is missing, null or empty."""
    value = optional_text(record, key)
    if value is not None and len(value) > MAX_ID_CHARS:
        raise BrokenRecordError(f"{key} has {len(value)} characters")
    return value


def optional_session_id(record: Fields, key: str) -> str | None:
    """Return the session id under a key, or None if it is missing, null or empty."""
    value = optional_text(record, key)
    if value is not None and not SESSION_ID.fullmatch(value):
        raise BrokenRecordError(f"{key} is not a session id")
    return value


def records(record: Fields, key: str) -> list[Fields]:
    """Return the objects in the list under a key; none if it is missing or null."""
    value = record.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise BrokenRecordError(f"{key} is not a list")
    return [as_record(part, key) for part in value]


def whole_number(record: Fields, key: str) -> int | None:
    """Return the number under a key, or None if it is not an integer of 0 or more."""
    value = record.get(key)
    return value if type(value) is int and value >= 0 else None
