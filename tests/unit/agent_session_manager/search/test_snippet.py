from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_session_manager.domain.errors import InvalidQueryError
from agent_session_manager.search.query import parse_query
from agent_session_manager.search.snippet import SNIPPET_CHARS, Snippet, cut_snippet


def cut(text: str, query: str) -> Snippet:
    return cut_snippet(text, parse_query(query).wanted)


def marked(text: str, query: str) -> list[str]:
    snippet = cut(text, query)
    return [snippet.text[first:last] for first, last in snippet.ranges]


@pytest.mark.parametrize(
    ("text", "query", "found"),
    [
        ("the Store is open, store it", "store", ["Store", "store"]),
        ("restore the store", "store", ["store"]),
        ("read src/store/tables.py now", "store/tables.py", ["store/tables.py"]),
        ('it says "one  two"', '"one two"', ["one  two"]),
        ("prefixes and pre", "prefix*", ["prefixes"[:6]]),
        ("call getUserById here", "user", ["User"]),
        ("a Naïve Ｗｏｒｄ", "naive word", ["Naïve", "Ｗｏｒｄ"]),
        ("我昨晚重跑gen-itgc后", "昨晚重跑gen", ["昨晚重跑gen"]),
        ("我昨晚", "晚", ["晚"]),
        ("nothing", "absent", []),
    ],
)
def test_matches_are_marked(text: str, query: str, found: list[str]) -> None:
    assert marked(text, query) == found


def test_snippet_is_the_part_around_the_first_match() -> None:
    text = "word " * 100 + "needle\nin hay " + "word " * 100
    snippet = cut(text, "needle")
    assert snippet.text.startswith("word word")
    assert "needle in hay" in snippet.text
    assert len(snippet.text) <= SNIPPET_CHARS
    assert (snippet.is_beginning, snippet.is_end) == (False, False)


def test_short_text_is_complete() -> None:
    assert cut("a\tneedle", "needle") == Snippet(
        text="a needle", ranges=((2, 8),), is_beginning=True, is_end=True
    )


@given(st.text(max_size=300), st.text(max_size=10))
def test_ranges_are_inside_the_snippet(text: str, query: str) -> None:
    try:
        snippet = cut(text, query)
    except InvalidQueryError:
        return
    assert len(snippet.text) <= SNIPPET_CHARS
    for first, last in snippet.ranges:
        assert 0 <= first < last <= len(snippet.text)


def test_hostile_text_is_cut_in_linear_time() -> None:
    assert cut("a " * 60_000, '"a a a a a b"').ranges == ()
