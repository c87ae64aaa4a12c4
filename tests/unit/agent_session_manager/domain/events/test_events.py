from __future__ import annotations

from typing import Any

import pytest

from agent_session_manager.domain.errors import InvalidEventError
from agent_session_manager.domain.events.event import (
    MAX_EVENT_ID_CHARS,
    MAX_TYPE_CHARS,
    MAX_USAGE,
    SERVER_FIELDS,
    NewEvent,
    RunEnd,
    joined_text,
    parse_event,
)
from agent_session_manager.domain.sessions.session import Reason, Usage
from tests.support.rows import each_row


def parse(**value: Any) -> NewEvent:
    return parse_event({"event_type": "x", **value}, session_id="s")


def problem(value: Any, index: int | None = None) -> str:
    with pytest.raises(InvalidEventError) as caught:
        parse_event(value, session_id="s", index=index)
    assert caught.value.index == index
    return str(caught.value)


def test_only_the_type_is_required() -> None:
    assert parse_event({"event_type": "x"}, session_id="s") == NewEvent(event_type="x", fields={})


def test_fields_are_kept_except_those_of_the_manager() -> None:
    given = {
        "event_type": "post_tool",
        "event_id": "1",
        "run": 3,
        "session_id": "s",
        "tool_output": {"any": ["thing"]},
        "error": None,
        "Content": 7,
        "unknown": [None],
        **dict.fromkeys(SERVER_FIELDS, "the caller's"),
    }
    before = dict(given)
    assert parse_event(given, session_id="s") == NewEvent(
        event_type="post_tool",
        fields={
            "tool_output": {"any": ["thing"]},
            "error": None,
            "Content": 7,
            "unknown": [None],
        },
        event_id="1",
        run=3,
    )
    assert given == before


def test_longest_values_are_accepted() -> None:
    event = parse(event_type="x" * MAX_TYPE_CHARS, event_id="é" * MAX_EVENT_ID_CHARS, run=2**31 - 1)
    assert len(event.event_id or "") == MAX_EVENT_ID_CHARS
    assert parse(exit_code=-(2**31)).fields == {"exit_code": -(2**31)}


@each_row("value", [None, 1, "x", [], True, 1.5])
def test_event_is_an_object(value: Any) -> None:
    assert problem(value) == "an event must be a JSON object"


def test_error_names_the_index_in_a_list() -> None:
    assert problem({}, index=7).startswith("event 7: event_type is required")


def test_error_does_not_repeat_the_value() -> None:
    for value in (
        {"event_type": ["secret"]},
        {"event_type": "x", "role": ["secret"]},
        {"event_type": "x", "event_id": ["secret"]},
        {"event_type": "x", "run": "secret"},
        {"event_type": "x", "content": "secret"},
        {"event_type": "x", "session_id": "secret"},
        {"event_type": "usage", "usage": {"input_tokens": "secret"}},
    ):
        assert "secret" not in problem(value)


@each_row(
    ("fields", "is_answer"),
    [
        ({"role": "assistant", "content": [{"type": "text", "text": "x"}]}, True),
        ({"role": "assistant", "content": [{"type": "y"}, {"type": "text", "text": "x"}]}, True),
        ({"role": "assistant", "content": [{"type": "text", "text": ""}]}, False),
        ({"role": "assistant", "content": [{"type": "tool_use"}]}, False),
        ({"role": "assistant", "content": []}, False),
        ({"role": "assistant", "content": None}, False),
        ({"role": "assistant"}, False),
        ({"role": "user", "content": [{"type": "text", "text": "x"}]}, False),
        ({"content": [{"type": "text", "text": "x"}]}, False),
    ],
)
def test_answer_is_a_message_of_the_assistant_with_text(
    fields: dict[str, Any], is_answer: bool
) -> None:
    assert parse(event_type="message", **fields).is_answer is is_answer
    assert parse(event_type="thinking", **fields).is_answer is False


def test_only_a_stop_event_has_an_end() -> None:
    assert parse(event_type="session_stop", exit_code=3).end == RunEnd(
        exit_code=3, reason=Reason.FAILED
    )
    assert parse(event_type="session_stop").end == RunEnd(exit_code=None, reason=Reason.COMPLETED)
    assert parse(event_type="session_stopped", exit_code=3).end is None


def test_only_usage_events_have_usage() -> None:
    counts = {"input_tokens": 1, "cost_microdollars": MAX_USAGE, "output_tokens": None, "own": "x"}
    event = parse(event_type="usage", usage=counts)
    assert event.usage == Usage(input_tokens=1, cost_nanodollars=1000 * MAX_USAGE)
    assert event.fields == {"usage": counts}
    assert parse(event_type="message", usage={"input_tokens": "many"}).usage is None


def test_text_blocks_are_joined_across_other_blocks() -> None:
    blocks = [
        {"type": "text", "text": "one"},
        {"type": "image"},
        {"type": "text", "text": ""},
        {"type": "text", "text": "two"},
    ]
    assert joined_text({"content": blocks}) == "one\n\ntwo"
    assert joined_text({"content": None}) == joined_text({}) == ""
