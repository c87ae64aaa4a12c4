from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_orchestrator.history.format import Place
from agent_orchestrator.history.formats.codex import FORMAT
from agent_orchestrator.history.items import (
    BrokenRecordError,
    SessionFacts,
    UnknownRecord,
)
from tests.support.codex_rollouts import (
    THREAD,
    TURN,
    Json,
    event,
    events,
    read,
    record,
    reply,
    session_meta,
    shape,
    source,
)


def test_unknown_records_have_a_kind() -> None:
    items = read(
        [
            session_meta(),
            record("new_type", {}),
            reply("new_item"),
            event("new_event"),
            record("x" * 1000, {}),
        ]
    )
    assert items[1:] == [
        UnknownRecord(kind="new_type"),
        UnknownRecord(kind="response_item/new_item"),
        UnknownRecord(kind="event_msg/new_event"),
        UnknownRecord(kind="x" * 100),
    ]


@pytest.mark.parametrize(
    "broken",
    [
        [],
        None,
        {},
        {"type": 1},
        {"type": "response_item"},
        {"type": "response_item", "payload": []},
        {"type": "response_item", "payload": {}},
        {"type": "session_meta", "payload": {"id": ""}},
        {"type": "session_meta", "payload": {"id": "no session id"}},
        reply("message", role="user", content=[1]),
        reply("message", role="user", content=[{"text": 1}]),
        reply("message", content=[]),
        reply("function_call", call_id="c1", arguments="{}"),
        reply("function_call", call_id="c" * 500, name="shell", arguments="{}"),
        event("item_completed", item=[]),
        event("token_count", info=[]),
    ],
)
def test_broken_record_is_refused(broken: Json) -> None:
    parser = FORMAT.parser(source(), None)
    list(parser.read(session_meta(), Place(1, 0)))
    with pytest.raises(BrokenRecordError):
        list(parser.read(broken, Place(2, 0)))


def test_reading_continues_after_a_broken_record() -> None:
    parser = FORMAT.parser(source(), None)
    list(parser.read(session_meta(), Place(1, 0)))
    with pytest.raises(BrokenRecordError):
        list(parser.read([], Place(2, 0)))
    message = reply("message", role="user", content="Hello.")
    assert [shape(found) for found in events(parser.read(message, Place(3, 0)))] == [
        "message user Hello."
    ]


def test_session_without_its_first_line_has_the_id_of_the_file() -> None:
    name = f"rollout-2026-11-27T16-27-50-{THREAD}.jsonl"
    parser = FORMAT.parser(source(name), None)
    items = list(parser.read(reply("message", role="assistant", content="Hello."), Place(2, 0)))
    assert items[0] == SessionFacts(session_id=THREAD)
    assert [found["event_id"] for found in events(items)] == [f"{THREAD}:2"]


def test_record_without_a_session_is_refused() -> None:
    with pytest.raises(BrokenRecordError):
        read([reply("message", role="user", content="Hello.")])


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-11-27T17:00:00.5+01:00", "2026-11-27T16:00:00.500Z"),
        ("2026-11-27T17:00:00", None),
        ("0001-01-01T00:00:00+23:00", None),
        ("yesterday", None),
        (5, None),
    ],
)
def test_time_is_in_utc_or_left_out(time: Json, expected: str | None) -> None:
    words = {"type": "message", "role": "user", "content": "Hello."}
    (found,) = events(read([session_meta(), record("response_item", words, timestamp=time)]))
    assert found.get("timestamp") == expected


KEYS = st.sampled_from(
    [
        "id",
        "type",
        "role",
        "content",
        "text",
        "name",
        "arguments",
        "call_id",
        "output",
        "info",
        "usage",
        "item",
        "status",
        "turn_id",
        "total_token_usage",
        "last_token_usage",
        "total_tokens",
        "input_tokens",
        "error",
        "source",
        "cwd",
        "history_base",
        "forked_from_id",
        "message",
        "action",
        "summary",
        "success",
        "metadata",
        "ordinal",
        "thread_settings",
        "result",
        "tools",
        "internal_chat_message_metadata_passthrough",
        "content_item_kinds",
        "image_url",
        "subagent",
    ]
)
KINDS = st.sampled_from(
    [
        "session_meta",
        "turn_context",
        "response_item",
        "event_msg",
        "compacted",
        "token_usage_record",
    ]
)
PAYLOAD_KINDS = st.sampled_from(
    [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "local_shell_call",
        "web_search_call",
        "custom_tool_call",
        "tool_search_call",
        "tool_search_output",
        "agent_message",
        "token_count",
        "task_started",
        "task_complete",
        "turn_aborted",
        "item_completed",
        "mcp_tool_call_end",
        "patch_apply_end",
        "thread_rolled_back",
        "thread_settings_applied",
        "thread_name_updated",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([TURN, THREAD, "user", "{}", "failed", "data:"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)


def records_of_any_shape() -> st.SearchStrategy[Json]:
    payload = st.builds(
        lambda kind, fields: {**fields, "type": kind},
        PAYLOAD_KINDS,
        st.dictionaries(KEYS, VALUES, max_size=6),
    )
    return VALUES | st.builds(record, KINDS, payload | VALUES, ordinal=VALUES, timestamp=VALUES)


def tolerant(records: Iterable[Json], *, has_pauses: bool) -> Iterator[str]:
    """Yield the items of records that can be read, as text."""
    parser = FORMAT.parser(source(), None)
    for number, line in enumerate(records, 1):
        if has_pauses:
            parser = FORMAT.parser(source(), json.loads(json.dumps(parser.state)))
        try:
            for item in parser.read(line, Place(number, 0)):
                yield json.dumps(asdict(item))
        except BrokenRecordError:
            continue


@given(st.lists(records_of_any_shape(), max_size=6))
def test_any_json_gives_items_or_a_broken_record(records: list[Json]) -> None:
    records = [session_meta(forked_from_id="parent"), *records]
    at_once = list(tolerant(records, has_pauses=False))
    assert list(tolerant(records, has_pauses=True)) == at_once
