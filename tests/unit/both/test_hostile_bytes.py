"""Properties of functions that read foreign input: any input is a value or a refusal."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from agent_orchestrator.client.frames import Frame, FrameParser
from agent_orchestrator.console.terminal.output import clean, one_line
from agent_orchestrator.session_client import SessionClientError
from agent_session_manager.api.http.page_marks import page_text, parse_page
from agent_session_manager.api.wire.feed_frames import encode_frame
from agent_session_manager.domain.cursor import Cursor, parse_cursor
from agent_session_manager.domain.errors import InvalidRequestError
from agent_session_manager.domain.json_values import UnstorableJsonError
from agent_session_manager.domain.raw_json import (
    check_object,
    decode,
    split_array,
    split_lines,
)

BREAKS = ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x85", "\u2028", "\u2029", "\0"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(BREAKS))
CURSORS = st.builds(
    Cursor,
    generation=st.text("0123456789abcdef", min_size=1, max_size=64),
    number=st.integers(0, 2**63 - 1),
)
OBJECTS = st.dictionaries(
    TEXTS, TEXTS | st.integers(-(2**63), 2**64 - 1) | st.lists(TEXTS), max_size=4
)
HOSTILE = st.text(
    st.sampled_from("\x1b\x9b\x9d\x07\x9c\\[]0;mHPX^_ (c\r\n\t\u202e\u2066\ud800a")
    | st.characters()
)
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@given(st.lists(st.tuples(OBJECTS, st.none() | CURSORS)), st.randoms(use_true_random=False))
def test_frames_with_any_line_breaks_survive_a_round_trip(
    frames: list[tuple[dict[str, Any], Cursor | None]], chance: Any
) -> None:
    sent = b"".join(encode_frame("event", orjson.dumps(body), cursor) for body, cursor in frames)
    parser = FrameParser()
    came: list[Frame] = []
    while sent:
        size = chance.randint(1, len(sent))
        came += parser.feed(sent[:size])
        sent = sent[size:]
    assert came == [
        Frame(name="event", content=body, cursor=None if cursor is None else str(cursor))
        for body, cursor in frames
    ]


@given(st.lists(st.binary() | st.sampled_from([b"\n\n", b"event: x\ndata: ", b"{}", b"id: "])))
def test_any_bytes_are_frames_or_an_error(chunks: list[bytes]) -> None:
    parser = FrameParser()
    with suppress(SessionClientError):
        for chunk in chunks:
            assert all(isinstance(frame, Frame) for frame in parser.feed(chunk))


@given(CURSORS)
def test_cursor_is_read_as_it_was_written(cursor: Cursor) -> None:
    assert parse_cursor(str(cursor)) == cursor


@given(st.text() | st.from_regex(r"[0-9a-f]*:[0-9٠-٩]*"))
def test_text_is_a_cursor_or_refused(text: str) -> None:
    with suppress(InvalidRequestError):
        cursor = parse_cursor(text)
        assert 0 <= cursor.number < 2**63
        assert text.isascii()
        assert parse_cursor(str(cursor)) == cursor


@given(st.lists(TEXTS | st.integers(-(2**63), 2**63 - 1)))
def test_mark_of_a_page_is_read_as_it_was_written(mark: list[str | int]) -> None:
    text = page_text(tuple(mark))
    assert re.fullmatch("[A-Za-z0-9_-]*", text)
    assert parse_page(text) == tuple(mark)


@given(st.text() | st.text("ABCabc019-_=+/"))
def test_text_is_a_page_mark_or_refused(text: str) -> None:
    with suppress(InvalidRequestError):
        assert isinstance(parse_page(text), tuple)


@given(HOSTILE)
def test_shown_text_has_no_terminal_controls(text: str) -> None:
    shown = clean(text)
    assert FORBIDDEN.search(shown) is None
    shown.encode()  # no lone surrogate either
    assert clean(shown) == shown
    assert len(one_line(text).splitlines()) <= 1


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs"])))
def test_text_without_controls_is_shown_unchanged(text: str) -> None:
    assert clean(text) == text


@given(st.lists(OBJECTS), st.sampled_from([None, 1]))
def test_elements_of_an_array_keep_their_text(
    values: list[dict[str, Any]], indent: int | None
) -> None:
    text = json.dumps(values, indent=indent)
    lines = [line for line, _ in split_array(text)]
    assert [json.loads(line) for line in lines] == values
    assert all(line in text for line in lines)


@given(st.binary() | st.text('[]{},:"\\0 1e-Naul\n').map(str.encode))
def test_any_bytes_are_entries_or_a_refusal(body: bytes) -> None:
    for parse in (lambda: [*split_array(decode(body))], lambda: check_object(decode(body))):
        try:
            parse()
        except UnstorableJsonError as refusal:
            assert refusal.code
        else:
            json.loads(body)


LINES = st.lists(
    OBJECTS.map(json.dumps)
    | st.sampled_from(
        [
            *('{"a":' + "[" * depth + "]" * depth + "}" for depth in (255, 256, 2000)),
            *('{"a":%s}' % ("9" * digits) for digits in (20, 4300, 4301)),
            *('{"a":NaN}', '{"a":1e400}', r'{"a":"\ud800"}', '{"uuid":"u"} '),
            *("", " \t", "{", "1 2", "null"),
        ]
    )
)  # fmt: skip


@given(LINES)
def test_lines_are_the_same_for_every_parser(lines: list[str]) -> None:
    def refuse(_: str) -> None:
        raise ValueError

    found: list[Any] = []
    for parse in (orjson.loads, refuse):
        try:
            split = split_lines("\n".join(lines), parse)
            found.append([(line, isinstance(value, dict)) for line, value in split])
        except UnstorableJsonError as exc:
            found.append(exc.code)
    assert found[0] == found[1]
