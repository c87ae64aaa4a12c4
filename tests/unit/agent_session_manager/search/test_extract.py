from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_session_manager.search.extract import (
    FIRST_CHARS,
    LAST_CHARS,
    EventText,
    Kind,
    extract,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
NAMES = st.sampled_from(
    ["content", "tool_name", "tool_input", "tool_output", "error", "timestamp", "origin", "x"]
)


def text(kind: Kind, words: str, **more: Any) -> EventText:
    return EventText(kind=kind, text=words, **{"occurred_at": None, **more})


@pytest.mark.parametrize(
    ("event_type", "fields", "found"),
    [
        (
            "message",
            {"content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
            text(Kind.MESSAGE, "one\ntwo"),
        ),
        ("thinking", {"content": "hm"}, text(Kind.THINKING, "hm")),
        (
            "pre_tool",
            {"tool_name": "Edit", "tool_input": {"old": "a", "file_path": "/p/a.py", "all": True}},
            text(Kind.TOOL_INPUT, "Edit\n/p/a.py\na", tool_name="Edit", files=("/p/a.py",)),
        ),
        (
            "post_tool",
            {"tool_name": "Bash", "tool_output": {"stdout": "out", "code": 7}, "error": "bad"},
            text(Kind.TOOL_OUTPUT, "Bash\nout\n7\nbad", tool_name="Bash", has_error=True),
        ),
        ("session_stop", {"error": "it failed"}, text(Kind.ERROR, "it failed", has_error=True)),
        ("diagnostic", {"content": "a note"}, text(Kind.NOTE, "a note")),
        ("other", {"content": {"deep": [["x"], {"y": "z"}]}}, text(Kind.NOTE, "x\nz")),
    ],
)
def test_text_of_event(event_type: str, fields: dict[str, Any], found: EventText) -> None:
    assert extract(event_type, fields) == [found]


@pytest.mark.parametrize(
    ("event_type", "fields"),
    [
        ("message", {"content": [{"type": "text", "text": "copied"}], "inherited": True}),
        ("message", {"content": [{"type": "text", "text": "wrapper"}], "origin": "system"}),
        ("message", {"content": [{"type": "text", "text": " \n"}]}),
        ("usage", {"usage": {"input_tokens": 7}, "model": "x"}),
        ("session_stop", {"exit_code": 0}),
    ],
)
def test_event_without_text(event_type: str, fields: dict[str, Any]) -> None:
    assert extract(event_type, fields) == []


def test_thinking_in_a_message_is_a_text_of_its_own() -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "text", "text": "hello"},
        {"type": "redacted_thinking", "data": "hidden"},
        {"type": ["thinking"], "text": "world"},
    ]
    found = extract("message", {"content": blocks})
    assert found == [text(Kind.THINKING, "hm\nhidden"), text(Kind.MESSAGE, "hello\nworld")]
    assert extract("message", {"content": blocks[:1]}) == [text(Kind.THINKING, "hm")]
    assert extract("thinking", {"content": blocks[:2]}) == [text(Kind.THINKING, "hm\nhello")]


def test_images_are_skipped() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iV"}}
    url = {"type": "image_url", "url": "data:image/png;base64,iVBOR"}
    (found,) = extract("post_tool", {"tool_output": ["before", image, url, "after"]})
    assert found.text == "before\nimage/png\nafter"


def test_time_of_client_is_kept_if_it_is_valid() -> None:
    def occurred(timestamp: object) -> datetime | None:
        (found,) = extract("message", {"content": "x", "timestamp": timestamp})
        return found.occurred_at

    assert occurred("2026-01-02T03:04:05+01:00") == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert occurred("yesterday") is None
    assert occurred(17) is None


def test_question_is_found_by_its_words_and_answers() -> None:
    """The input of the tool call is in an event of its own, which is found once."""
    (found,) = extract(
        "permission_request",
        {
            "title": "Deploy",
            "tool_name": "Bash",
            "tool_input": {"command": "rm"},
            "items": [{"id": "a", "text": "Where?", "options": [{"label": "staging"}]}],
        },
    )
    assert found.text.split() == ["Deploy", "Where?", "staging"]
    answers = {"decision": "answered", "answers": {"a": ["staging"]}, "text": "gently"}
    (found,) = extract("permission_decided", answers)
    assert found.text.split() == ["gently", "staging"]
    for wrong in ({}, {"title": None, "items": ""}, {"items": [None]}):
        assert extract("permission_request", wrong) == []


def test_files_of_patch_are_found() -> None:
    patch = "*** Begin Patch\n*** Update File: src/a.py\n*** Move to: src/b.py\n+x\n*** End Patch"
    (found,) = extract("pre_tool", {"tool_input": {"input": patch, "paths": ["x/c.py", 7]}})
    assert found.files == ("src/a.py", "src/b.py", "x/c.py")


def test_long_text_is_cut_in_the_middle() -> None:
    (found,) = extract("message", {"content": "a" * FIRST_CHARS + "b" * 99 + "c" * LAST_CHARS})
    assert found.text == "a" * FIRST_CHARS + "\n" + "c" * LAST_CHARS


def test_deep_value_is_read() -> None:
    value: Any = "deep"
    for _ in range(100_000):
        value = [value]
    (found,) = extract("other", {"content": value})
    assert found.text == "deep"
    while isinstance(value, list):  # Python would release it recursively
        value = value.pop()


@given(st.sampled_from(["message", "pre_tool", "post_tool", "x"]), st.dictionaries(NAMES, JSON))
def test_any_fields_are_accepted(event_type: str, fields: dict[str, Any]) -> None:
    assert all(found.text.strip() for found in extract(event_type, fields))
