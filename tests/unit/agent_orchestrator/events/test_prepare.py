from __future__ import annotations

import json
from typing import Any

from agent_orchestrator.events.output_text import OutputText
from agent_orchestrator.events.prepare import (
    DEPTH_LIMIT,
    EVENT_BYTES_LIMIT,
    EVENT_PARTS_LIMIT,
    TEXT_BYTES_LIMIT,
    TEXT_BYTES_LIMITS,
    create_event,
    prepare,
    shorten,
    text_content,
)
from agent_orchestrator.shared.masking import MAX_SECRET_CHARS
from agent_session_manager.api.http.body import parse_json
from tests.support.rows import each_row

TOO_LONG = TEXT_BYTES_LIMIT + 1


def size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def test_event_within_the_limits_is_unchanged() -> None:
    event = {
        "event_type": "pre_tool",
        "tool_input": {"a": ["ä\n\t\U0001f600", 1, None, True, 1.5]},
        "content": text_content("x" * TEXT_BYTES_LIMIT),
    }
    assert prepare(event) == event


def test_long_text_keeps_head_tail_and_original_length() -> None:
    text = "head" + "x" * TOO_LONG + "tail"
    event = prepare({"tool_input": {"content": text}, "content": text_content(text)})
    (block,) = event["content"]
    assert event["tool_input"] == {"content": block["text"]}
    assert block["text"].startswith("headxxx")
    assert "8 bytes omitted" not in block["text"]
    assert block["text"].endswith("xxxtail")
    assert len(block["text"].encode()) <= TEXT_BYTES_LIMIT
    assert event["shortened"] == {
        "tool_input.content": len(text),
        "content.0.text": len(text),
    }


def test_a_text_is_cut_between_characters() -> None:
    shortened = shorten("😀" * 1000, 101)
    assert len(shortened.encode()) <= 101
    assert set(shortened) >= {"😀", "…"}
    assert "�" not in shortened


def test_unstorable_characters_are_replaced_at_any_depth() -> None:
    assert prepare({"tool_input": {"a\x00": [{"b": "x\ud800y"}]}, "tool_output": "\x00"}) == {
        "tool_input": {"a�": [{"b": "x�y"}]},
        "tool_output": "�",
        "sanitized": True,
    }


def test_unstorable_number_becomes_a_text() -> None:
    kept = [2**64 - 1, -(2**63), 1e308, True]
    assert prepare({"tool_input": {"a": [2**64, -(2**63) - 1, float("nan"), *kept]}}) == {
        "tool_input": {"a": [str(2**64), str(-(2**63) - 1), "nan", *kept]},
        "sanitized": True,
    }


def test_many_texts_are_shortened_if_together_too_long() -> None:
    texts = ["x" * (TEXT_BYTES_LIMIT - 1)] * 5
    event = prepare({"tool_input": {"edits": texts}})
    assert size(event) <= EVENT_BYTES_LIMIT
    assert len(event["tool_input"]["edits"]) == 5
    assert event["shortened"]["tool_input.edits.4"] == TEXT_BYTES_LIMIT - 1


def test_too_many_small_parts_become_a_shortened_text() -> None:
    numbers = list(range(EVENT_PARTS_LIMIT + 1))
    event = prepare({"tool_output": numbers})
    assert event["tool_output"].startswith("[0, 1, 2")
    assert event["shortened"] == {"tool_output": len(json.dumps(numbers))}
    assert size(event) <= EVENT_BYTES_LIMIT


def test_values_with_too_many_parts_become_texts() -> None:
    # Each group has six parts. Two copies together exceed the limit, one copy does not.
    parts = [0, [], {}, {"a": [""]}] * (EVENT_PARTS_LIMIT // (2 * 6) + 200)
    event = prepare({"tool_input": {"a": parts}, "tool_output": parts, "exit_code": 1})
    assert parse_json(json.dumps(event).encode()) == event
    assert event["shortened"] == {
        "tool_input": len(json.dumps({"a": parts})),
        "tool_output": len(json.dumps(parts)),
    }


def test_brackets_in_texts_do_not_count_as_parts() -> None:
    event = {"content": text_content("[,{" * 150_000)}
    assert prepare(event) == event


@each_row("levels", [500, 1000, 100_000])  # the last ones are too deep for `json.dumps`
def test_value_nested_too_deeply_becomes_a_text(levels: int) -> None:
    nested: Any = "x"
    for _ in range(levels):
        nested = [nested]
    many = ["y" * (TEXT_BYTES_LIMITS[1] + 1)] * 100
    assert "shortened" in prepare({"tool_input": {"deep": nested}, "tool_output": many})
    event = prepare({"tool_input": {"deep": nested}})
    depth, value = 0, event["tool_input"]["deep"]
    while isinstance(value, list):
        depth, value = depth + 1, value[0]
    assert depth < DEPTH_LIMIT
    assert json.loads(value)
    assert list(event["shortened"]) == [f"tool_input.deep{'.0' * depth}"]


def test_existing_mark_is_kept() -> None:
    text = "ä" * TEXT_BYTES_LIMIT
    event = prepare({"content": text_content(text), "shortened": {"content.0.text": 9_999_999}})
    assert event["shortened"] == {"content.0.text": 9_999_999}


def test_preparing_twice_has_no_further_effect() -> None:
    once = prepare({"tool_output": "\x00" + "x" * TOO_LONG})
    assert prepare(once) == once


def test_created_event_has_type_id_time_and_no_empty_fields() -> None:
    event = create_event("retry", "id-1", attempt=0, status_code=None)
    assert event.pop("timestamp").endswith("+00:00")
    assert event == {"event_type": "retry", "event_id": "id-1", "attempt": 0}
    assert create_event("retry")["event_id"] != create_event("retry")["event_id"]


def test_output_is_decoded_across_chunks() -> None:
    output = OutputText()
    for byte in "aä😀".encode() + b"\xff" + b"z" + "ä".encode()[:1]:
        output.add(bytes([byte]))
    output.add(b"", final=True)
    assert output.fields() == {"content": text_content("aä😀�z�")}


def test_large_output_keeps_head_and_tail_in_little_memory() -> None:
    output = OutputText(limit=100)
    for number in range(10_000):
        output.add(b"%06d\n" % number)
        assert len(output._head) + len(output._tail) <= 3 * (50 + MAX_SECRET_CHARS)
    fields = output.fields()
    assert fields["shortened"] == {"content.0.text": 70_000}
    text = fields["content"][0]["text"]
    assert (text[:7], text[-7:]) == ("000000\n", "009999\n")
    assert "69900 characters omitted" in text
    assert output.last_lines(2) == "009998\n009999"


def test_output_just_within_the_limit_is_kept_whole() -> None:
    output = OutputText(limit=100)
    output.add(b"x" * 60)
    output.add(b"y" * 40)
    assert output.fields() == {"content": text_content("x" * 60 + "y" * 40)}
