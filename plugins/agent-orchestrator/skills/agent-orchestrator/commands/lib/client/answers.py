"""Checks of the manager's responses, as far as a command relies on them.

The client uses ids in file names, program arguments and URLs. It uses tokens in headers, and
numbers in file names and times. A faulty or foreign manager must not choose these values freely.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from ..session_client import _is_session_id

Check = Callable[[Any], bool]

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,512}")
MAX_NUMBER = 2**63 - 1


def is_token(value: Any) -> bool:
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def is_number(value: Any) -> bool:
    """Return whether the value is a count or a number of a run, event or position."""
    return type(value) is int and 0 <= value <= MAX_NUMBER


def is_moment(value: Any) -> bool:
    """Return whether the value is a time with a time zone, comparable with ours."""
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _is_sum(value: Any) -> bool:
    """Return whether the value is a sum, which can be negative."""
    return type(value) is int and -MAX_NUMBER <= value <= MAX_NUMBER


def _is_date(value: Any) -> bool:
    try:
        return date.fromisoformat(value) is not None
    except (TypeError, ValueError):
        return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _object(shape: Mapping[str, Check]) -> Check:
    """Return a check for an object with at least these fields; it may have others."""
    return lambda value: (
        isinstance(value, dict)
        and all(name in value and check(value[name]) for name, check in shape.items())
    )


def _list(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


_LEASE = _object({"holder": _is_text, "expires_at": is_moment})
SESSION: Mapping[str, Check] = {
    "session_id": _is_session_id,
    "session_name": _is_text,
    "status": _is_text,
    "project_dir": _or_none(_is_text),
    "agent_name": _or_none(_is_text),
    "executor": _or_none(_is_text),
    "parent_session_id": _or_none(_is_session_id),
    "last_seq": is_number,
    "last_activity_at": is_moment,
    "archived_at": _or_none(is_moment),
    "run": is_number,
    "started_at": is_moment,
    "reason": _or_none(_is_text),
    "host": _or_none(_is_text),
    "lease": _or_none(_LEASE),
}
"""Fields of a session that commands read."""
RUN: Mapping[str, Check] = {
    "run": is_number,
    "spec": _or_none(lambda spec: isinstance(spec, dict)),
}
REQUEST: Mapping[str, Check] = {
    "request_id": _is_session_id,
    "run": is_number,
    "kind": _is_text,
    "payload": lambda payload: isinstance(payload, dict),
    "state": _is_text,
    "detail": _or_none(_is_text),
}
OUTLOOK: Mapping[str, Check] = {
    "newest_run": is_number,
    "awaited": is_number,
    "undelivered": is_number,
    "due": lambda value: isinstance(value, bool),
    "held": _or_none(_is_text),
}
"""Outlook of a session: its notices, and how many runs can still write one."""
EVENT: Mapping[str, Check] = {"seq": is_number, "run": is_number, "event_type": _is_text}

_USAGE = _object(
    dict.fromkeys(
        (
            "input_tokens",
            "output_tokens",
            "cache_read_tokens",
            "cache_creation_tokens",
            "cost_nanodollars",
            "unpriced_tokens",
        ),
        _is_sum,
    )
)
USAGE_ROW: Mapping[str, Check] = {
    "start": is_moment,
    "project_dir": _or_none(_is_text),
    "agent": _or_none(_is_text),
    "model": _or_none(_is_text),
    "session_id": _or_none(_is_session_id),
    "session_name": _or_none(_is_text),
    "requests": is_number,
    "usage": _USAGE,
    "agent_cost_nanodollars": _is_sum,
    "table_cost_nanodollars": _is_sum,
    "oldest_prices": _or_none(_is_date),
    "newest_prices": _or_none(_is_date),
}
"""Fields of a row of usage that commands read."""

HIT: Mapping[str, Check] = {
    "session_id": _is_session_id,
    "session_name": _is_text,
    "project_dir": _or_none(_is_text),
    "seq": is_number,
    "kind": _is_text,
    "tool_name": _or_none(_is_text),
    "occurred_at": is_moment,
    "snippet": _object(
        {
            "text": _is_text,
            "ranges": _list(_object({"start": is_number, "end": is_number})),
            "is_beginning": lambda value: isinstance(value, bool),
            "is_end": lambda value: isinstance(value, bool),
        }
    ),
}
"""Fields of a hit of a search that commands read."""
_NAMED_SESSION = {name: HIT[name] for name in ("session_id", "session_name", "project_dir")}

is_session = _object(SESSION)
is_search_page = _object(
    {
        "hits": _list(_object(HIT)),
        "sessions": _list(_object(_NAMED_SESSION)),
        "indexed_through": is_number,
        "newest": is_number,
        "next_page": _or_none(_is_text),
    }
)
is_usage_report = _object(
    {"rows": _list(_object(USAGE_ROW)), "total": _object(USAGE_ROW), "left_out": is_number}
)
is_event = _object(EVENT)
_are_runs = _list(_object(RUN))
QUESTION: Mapping[str, Check] = {
    "question_id": _is_session_id,
    **_NAMED_SESSION,
    "run": is_number,
    "seq": is_number,
    "event": is_event,
    "answer": _or_none(lambda answer: isinstance(answer, dict)),
}
"""Fields of an open question that commands read."""

PARTS: Mapping[str, Check] = {
    "session": is_session,
    "sessions": _list(is_session),
    "runs": lambda runs: bool(runs) and _are_runs(runs),
    "request": _object(REQUEST),
    "requests": _list(_object(REQUEST)),
    "questions": _list(_object(QUESTION)),
    "batch": _or_none(_object({"batch_id": _is_session_id, "text": _is_text})),
    "notices": _object(OUTLOOK),
    "events": _list(is_event),
    "seqs": _list(is_number),
    "transcripts": _list(_object({"subpath": _or_none(_is_text)})),
}
"""Check of the value under each key, in the responses of all routes."""


def is_part(key: str, value: Any) -> bool:
    """Return whether the value is valid under this key of a response."""
    check = PARTS.get(key)
    return check is None or check(value)
