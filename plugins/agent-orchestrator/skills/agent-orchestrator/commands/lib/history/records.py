"""Checked access to the records of a source. A wrong type raises `BrokenRecordError`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .items import BrokenRecordError

Json = Any
Record = Mapping[str, Json]

SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
MAX_ID_CHARS = 180
"""An event id is a little longer, and may have up to 200 characters."""
TITLE_CHARS = 100


def as_record(value: Json, name: str) -> Record:
    """Return the value if it is an object."""
    if not isinstance(value, dict):
        raise BrokenRecordError(f"{name} is not an object")
    return value


def optional_record(record: Record, key: str) -> Record:
    """Return the object under a key; an empty one if it is missing or null."""
    value = record.get(key)
    return {} if value is None else as_record(value, key)


def optional_text(record: Record, key: str) -> str | None:
    """Return the text under a key, or None if it is missing, null or empty."""
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise BrokenRecordError(f"{key} is not a text")
    return value or None


def text(record: Record, key: str) -> str:
    """Return the text under a key, which must not be empty."""
    value = optional_text(record, key)
    if value is None:
        raise BrokenRecordError(f"{key} is missing")
    return value


def optional_id(record: Record, key: str) -> str | None:
    """Return the id under a key, or None if it is missing, null or empty."""
    value = optional_text(record, key)
    if value is not None and len(value) > MAX_ID_CHARS:
        raise BrokenRecordError(f"{key} has {len(value)} characters")
    return value


def optional_session_id(record: Record, key: str) -> str | None:
    """Return the session id under a key, or None if it is missing, null or empty."""
    value = optional_text(record, key)
    if value is not None and not SESSION_ID.fullmatch(value):
        raise BrokenRecordError(f"{key} is not a session id")
    return value


def records(record: Record, key: str) -> list[Record]:
    """Return the objects in the list under a key; none if it is missing or null."""
    value = record.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise BrokenRecordError(f"{key} is not a list")
    return [as_record(part, key) for part in value]


def whole_number(record: Record, key: str) -> int | None:
    """Return the number under a key, or None if it is not an integer of 0 or more."""
    value = record.get(key)
    return value if type(value) is int and value >= 0 else None


def utc_time(value: Json) -> str | None:
    """Return a time as ISO 8601 in UTC with a `Z`, or None if it is not a time with a zone."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
        return None if time.tzinfo is None else time_text(time)
    except (ValueError, OverflowError):
        return None


def time_text(time: datetime) -> str:
    """Return an aware time in the form of events."""
    return time.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def title_text(prompt: str) -> str:
    """Return the beginning of a prompt as one line."""
    line = " ".join(prompt[: TITLE_CHARS * 10].split())
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1] + "…"
