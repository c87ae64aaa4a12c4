"""Values of any size: their structure is kept, and long parts are cut with a note."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_orchestrator.events.bounded_json import read_bounded
from agent_orchestrator.events.cut_text import CutText
from agent_orchestrator.events.prepare import prepare
from tests.support.rows import each_row

SECRET = "ghp_" + "aB3dE5" * 6
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
ESCAPES = st.lists(
    st.sampled_from(["\\", "ud83d", "\ud83d", "ude00", "\U0001f600", '"', "é", "x"]), max_size=12
).map("".join)
"""Texts that look like escapes: JSON inside of JSON has them."""


def cut_at(text: bytes, places: list[int]) -> Iterator[bytes]:
    begin = 0
    for place in sorted(places):
        end = min(place, len(text))
        yield text[begin:end]
        begin = end
    yield text[begin:]


@given(VALUES, st.booleans(), st.lists(st.integers(0, 300), max_size=40))
def test_small_value_is_read_as_it_is(value: Any, is_ascii: bool, places: list[int]) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    assert read_bounded(cut_at(text, places)) == (value, False)


@given(ESCAPES, st.integers(0, 2), st.booleans())
def test_text_is_the_same_wherever_it_is_cut(text: str, times: int, is_ascii: bool) -> None:
    value: Any = {text: text, "id": 1}
    for _ in range(times):
        value = [json.dumps(value)]
    content = json.dumps(value, ensure_ascii=is_ascii).encode(errors="replace")
    expected = (json.loads(content), False)
    assert read_bounded(cut_at(content, list(range(len(content))))) == expected
    for place in range(len(content)):
        assert read_bounded(cut_at(content, [place])) == expected


@given(VALUES, st.lists(st.integers(0, 300), max_size=10), st.integers(0, 200))
def test_value_beyond_its_room_leaves_what_follows(
    value: Any, places: list[int], room: int
) -> None:
    line = {"long": [value] * 3, "id": "u1", "usage": {"output_tokens": 42}}
    text = json.dumps(line).encode()
    # The smallest share is the room of a few values, so the ids follow within 8 KiB.
    found = read_bounded(cut_at(text, places), 8192 + room).value
    assert (found["id"], found["usage"]) == ("u1", {"output_tokens": 42})


LONG = 600_000


@each_row(
    ("value", "cut"),
    [
        ("ab" * LONG, r"^[ab]+\n\[… \d{7} characters omitted …\]\n[ab]+$"),
        (["x"] * LONG, r"^\[… \d{7} bytes omitted …\]$"),
        ([{"type": "text", "text": "x"}] * 100_000, r"^\[… \d{7} bytes omitted …\]$"),
        ({str(number): number for number in range(150_000)}, r"^\[… \d{7} bytes omitted …\]$"),
        ([[[[[[[[[[[1], 2] * 200_000]]]]]]]]], r"^\[… \d{7} bytes omitted …\]$"),
    ],
)
def test_long_value_says_how_much_is_missing(value: Any, cut: str) -> None:
    text = json.dumps({"long": value, "id": 7}).encode()
    found, is_cut = read_bounded(cut_at(text, list(range(0, len(text), 14_001))), 8192)
    assert is_cut
    assert found["id"] == 7
    note = found["long"]
    while not isinstance(note, str):
        note = list(note.values())[-1] if isinstance(note, dict) else note[-1]
    assert re.search(cut, note), note[-80:]
    assert len(json.dumps(found)) < 10_000


def test_cut_text_has_its_length_and_hides_secrets() -> None:
    head = "é" * 300 + "x" * 70 + " "
    whole = head + SECRET + " and " + "x\n" * 200_000 + SECRET
    text = json.dumps({"output": whole}).encode()
    found = read_bounded(iter((text,)), 800).value["output"]
    assert isinstance(found, CutText)
    assert (found.characters, found.size) == (len(whole), len(whole.encode()))
    event = prepare({"event_type": "post_tool", "tool_output": found})
    assert event["shortened"] == {"tool_output": len(whole)}
    assert event["masked_secrets"] == 2
    assert SECRET[:8] not in event["tool_output"]


@pytest.mark.parametrize("limit_parts", [3, 12])
def test_cut_text_that_is_cut_again_counts_from_the_whole(limit_parts: int) -> None:
    whole = "x" * 1_500_000
    text = json.dumps([whole] * limit_parts).encode()
    found = read_bounded(iter((text,)), 3 * 1024 * 1024).value
    event = prepare({"event_type": "post_tool", "tool_output": found})
    for part in event["tool_output"]:
        if part.startswith("x"):
            kept = part.count("x")
            assert str(len(whole) - kept) in part
    assert set(event["shortened"].values()) == {len(whole)}


@each_row(
    "text",
    [
        *(b"", b"{", b"[1", b'{"a"', b'{"a":1', b'"a', b"[1,]", b'{"a":1,}', b"[1]]", b"1 2"),
        *(b"tru", b'["\\x"]', b'["\\u12"]', b"{1:2}", b'{"a" 1}', b"[1 2]", b"9" * 5000),
        b'["' + b"x" * 5000 + b"\\q" + b"y" * 5000,
    ],
)
def test_text_that_is_not_json_is_refused(text: bytes) -> None:
    for places in ([], [1], list(range(len(text)))[:50]):
        with pytest.raises(ValueError, match="."):
            read_bounded(cut_at(text, places))
