from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_session_manager.domain.errors import InvalidQueryError
from agent_session_manager.search.query import FileTerm, Query, Term, parse_query
from agent_session_manager.search.words import index_text

NOTHING = "this has no letter or digit, so it cannot be searched"
WORDS = re.compile("[0-9a-z\x80-\U0010ffff]+")


def term(*words: str, shown: tuple[str, ...] = (), **more: bool) -> Term:
    return Term(words=words, shown=shown or words, **more)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("one Two", [term("one"), term("two")]),
        ('"one two" three', [term("one", "two"), term("three")]),
        ("snake_case", [term("snake", "case")]),
        ("src/store.py", [term("src", "store", "py")]),
        ("getUserById", [term("getuserbyid")]),
        ("error-401", [term("error", "401")]),
        ("pref*", [term("pref", is_prefix=True)]),
        ('"one pref"*', [term("one", "pref", is_prefix=True)]),
        ("a *.py b", [term("a"), term("py"), term("b")]),
        ("yes -no", [term("yes"), term("no", is_excluded=True)]),
        ('yes -"no no"', [term("yes"), term("no", "no", is_excluded=True)]),
        ("--force", [term("force")]),
        ("x = ( y )", [term("x"), term("y")]),
        ("昨晚", [term("昨晚", shown=("昨晚",))]),
        ("昨晚重跑", [term("昨晚", "晚重", "重跑", shown=("昨晚重跑",))]),
        ("守", [term("守", is_prefix=True)]),
        ("重跑gen", [term("重跑", "跑", "gen", shown=("重跑", "gen"))]),
        ("https://example.org", [term("https", "example", "org")]),
        ("file://x", [term("file", "x")]),
        ("AND OR NOT NEAR", [term("and"), term("or"), term("not"), term("near")]),
    ],
)
def test_terms_of_query(text: str, terms: list[Term]) -> None:
    assert parse_query(text) == Query(terms=tuple(terms))


def test_file_terms() -> None:
    query = parse_query('file:src/a.py -file:"my docs/b.md" word')
    assert query.files == (
        FileTerm(path="src/a.py"),
        FileTerm(path="my docs/b.md", is_excluded=True),
    )
    assert query.terms == (term("word"),)


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("", 0, "a query needs a word that is not excluded"),
        ("-not", 0, "a query needs a word that is not excluded"),
        *((odd, 0, NOTHING) for odd in ("=>", "👍", " … 🎉🎉 ", "👍🏽*", "🏳️‍🌈")),
        ('ab "cd', 3, "this quotation mark begins a phrase that does not end"),
        ("one - two", 4, "a word or a phrase must follow -"),
        ("one file: two", 4, "a word or a phrase must follow file:"),
        ("one ab*", 4, "a word needs 3 characters or more before its *"),
        ('one "..."', 5, NOTHING),
        ("one -(", 5, NOTHING),
        ("a" * 65, 0, "words of more than 64 characters are not found"),
        ("a " * 33, 66, "a query has at most 32 terms"),
        ("a" * 1001, 1000, "a query has at most 1000 characters"),
    ],
)
def test_malformed_query_names_the_position(text: str, position: int, problem: str) -> None:
    with pytest.raises(InvalidQueryError) as refused:
        parse_query(text)
    assert refused.value.position == position
    assert str(refused.value) == f"query, position {position + 1}: {problem}"


@given(st.text(max_size=80))
def test_query_has_only_words_of_the_index(text: str) -> None:
    try:
        query = parse_query(text)
    except InvalidQueryError as refused:
        assert 0 <= refused.position <= len(text)
    else:
        for found in query.terms:
            assert all(WORDS.fullmatch(word) for word in found.words)


@given(st.text(st.sampled_from("aB3_-. é—守昨晚の가"), min_size=1, max_size=30))
def test_text_is_found_by_itself_as_phrase(text: str) -> None:
    try:
        query = parse_query(f'"{text}"')
    except InvalidQueryError:
        return
    (phrase,) = query.terms
    assert is_in(phrase, index_text(f"before {text} after").body_words())
    assert is_in(phrase, index_text(f"前{text}后").body_words()) or text[:1].isascii()


def is_in(phrase: Term, words: list[str]) -> bool:
    *first, last = phrase.words
    return any(
        words[place : place + len(first)] == first
        and len(words) > place + len(first)
        and (
            words[place + len(first)].startswith(last)
            if phrase.is_prefix
            else words[place + len(first)] == last
        )
        for place in range(len(words))
    )
