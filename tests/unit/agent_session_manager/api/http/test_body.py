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
def test_json_is_parsed_unchanged(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    try:
        value = parse_json(body)
    except RequestError as refusal:
        assert refusal.status_code == 400
    else:
        assert value == json.loads(body)


@given(st.integers(min_value=2**64) | st.integers(max_value=-(2**63) - 1))
def test_integer_that_would_be_rounded_is_refused(number: int) -> None:
    assert code_of(json.dumps({"n": [number]}).encode()) == "number_out_of_range"


@each_row("text", ["1e300", "-1e300", "1e19", "9223372036854775808.0"])
def test_large_float_is_accepted(text: str) -> None:
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
def test_number_of_values_is_limited(value: bytes, parts: int) -> None:
    fitting = MAX_PARTS // parts
    assert len(parse_json(b"[" + b",".join([value] * fitting) + b"]")) == fitting
    assert code_of(b"[" + b",".join([value] * (fitting + 1)) + b"]") == "too_many_values"


@each_row("text", ["[,{" * MAX_PARTS, '",[{\\' * MAX_PARTS, "," * 10**6 + '"'])
def test_characters_in_strings_do_not_count_as_values(text: str) -> None:
    assert parse_json(orjson.dumps([text])) == [text]


@each_row("end", [b"", b"\\", b'\\"'])
def test_unterminated_string_is_scanned_once(end: bytes) -> None:
    """A scan from each of its quotation marks would take minutes."""
    assert code_of(b'["' + b'\\",[' * 10**6 + end) == "invalid_json"


@each_row("text", [r'"\u0000"', r'["a", "\u0000"]', r'{"\u0000": 1}', r'{"a": ["\u0000"]}'])
def test_nul_is_refused_in_every_place(text: str) -> None:
    assert code_of(text.encode()) == "nul_character"


def test_escaped_backslash_before_u0000_is_not_a_nul() -> None:
    assert parse_json(rb'"\\u0000"') == "\\u0000"
