"""Checks of the values in an export. A column accepts the same values over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from agent_session_manager.domain.sessions.session import is_session_id as has_form_of_session_id
from agent_session_manager.sql.schema.derived import MAX_COST, MAX_COUNTED
from agent_session_manager.sql.schema.rows import to_microseconds

MAX_NUMBER = 2**63 - 1
MIN_MOMENT = to_microseconds(datetime(1, 1, 2, tzinfo=UTC))
MAX_MOMENT = to_microseconds(datetime(9999, 12, 30, tzinfo=UTC))
"""Moments that can be shown in every time zone."""
MAX_SMALL = 2**31 - 1

Check = Callable[[Any], bool]


def is_number(value: Any, *, least: int = 0, most: int = MAX_NUMBER) -> bool:
    return type(value) is int and least <= value <= most


def is_place(value: Any) -> bool:
    return is_number(value, least=1)


def is_run(value: Any) -> bool:
    return is_number(value, least=1, most=MAX_SMALL)


def is_run_count(value: Any) -> bool:
    return is_number(value, most=MAX_SMALL)


def is_moment(value: Any) -> bool:
    return is_number(value, least=MIN_MOMENT, most=MAX_MOMENT)


def is_count(value: Any) -> bool:
    return is_number(value, most=MAX_COUNTED)


def is_cost(value: Any) -> bool:
    return is_number(value, most=MAX_COST)


def is_exit_code(value: Any) -> bool:
    return is_number(value, least=-MAX_SMALL, most=MAX_SMALL)


def is_text(value: Any) -> bool:
    return type(value) is str and "\0" not in value


def is_flag(value: Any) -> bool:
    return type(value) is bool


def is_json(value: Any) -> bool:
    return type(value) is dict


def up_to(chars: int) -> Check:
    return lambda value: is_text(value) and 0 < len(value) <= chars


def bytes_up_to(size: int) -> Check:
    return lambda value: is_text(value) and len(value.encode()) <= size


def one_of(*values: str) -> Check:
    return lambda value: type(value) is str and value in values


def is_session_id(value: Any) -> bool:
    return type(value) is str and has_form_of_session_id(value)


def or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def is_source(value: Any) -> bool:
    return (
        is_json(value)
        and value.keys() == {"format", "path", "gone"}
        and is_text(value["format"])
        and is_text(value["path"])
        and is_flag(value["gone"])
    )


def is_fork_point(value: Any) -> bool:
    return (
        is_json(value)
        and value.keys() == {"session_id", "event_id"}
        and is_session_id(value["session_id"])
        and or_null(is_text)(value["event_id"])
    )
