from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_session_manager.api.http.body import MAX_PARTS, parse_json
from agent_session_manager.api.http.errors import RequestError
from agent_session_manager.domain.json_values import MAX_DEPTH
from tests.support.rows import each_row

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


def code_of(body: bytes) -> str:
    with pytest.raises(RequestError) as caught:
        parse_json(body)
    assert caught.value.status_code == 400
    return caught.value.code


@given(values)
@settings(max_examples=200)
def test_json_is_read_as_it_is(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_any_bytes_are_a_value_or_a_refusal(body: bytes) -> None:
    try:
        value = parse_json(body)
    except RequestError as refusal:
        assert refusal.status_code == 400
    else:
        assert value == json.loads(body)


@given(st.integers(min_value=2**64) | st.integers(max_value=-(2**63) - 1))
@settings(max_examples=100)
def test_integer_that_would_be_rounded_is_refused(number: int) -> None:
    assert code_of(json.dumps({"n": [number]}).encode()) == "number_out_of_range"


@each_row("text", ["1e300", "-1e300", "1e19", "9223372036854775808.0"])
def test_large_float_is_taken(text: str) -> None:
    assert parse_json(text.encode()) == float(text)


@each_row(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_depth_is_limited(opening: str, closing: str) -> None:
    levels = opening.count("[") + opening.count("{")
    fits = MAX_DEPTH // levels
    parse_json((opening * fits + "1" + closing * fits).encode())
    deeper = fits + 1
    assert code_of((opening * deeper + "1" + closing * deeper).encode()) == "too_deep"


@each_row(
    ("value", "parts"),
    [(b"1", 1), (b'",[{"', 1), (b"[]", 2), (b"{}", 2), (b'{"a":1}', 2), (b'[{},",[{"]', 4)],
)
def test_values_are_limited(value: bytes, parts: int) -> None:
    fitting = MAX_PARTS // parts
    assert len(parse_json(b"[" + b",".join([value] * fitting) + b"]")) == fitting
    assert code_of(b"[" + b",".join([value] * (fitting + 1)) + b"]") == "too_many_values"


@each_row("text", ["[,{" * MAX_PARTS, '",[{\\' * MAX_PARTS, "," * 10**6 + '"'])
def test_what_texts_hold_counts_for_nothing(text: str) -> None:
    assert parse_json(orjson.dumps([text])) == [text]


@each_row("end", [b"", b"\\", b'\\"'])
def test_text_without_an_end_is_looked_through_once(end: bytes) -> None:
    """Not once from each of its quotation marks, which would take minutes."""
    assert code_of(b'["' + b'\\",[' * 10**6 + end) == "invalid_json"


@each_row("text", [r'"\u0000"', r'["a", "\u0000"]', r'{"\u0000": 1}', r'{"a": ["\u0000"]}'])
def test_nul_is_refused_wherever_it_is(text: str) -> None:
    assert code_of(text.encode()) == "nul_character"


def test_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert parse_json(rb'"\\u0000"') == "\\u0000"
