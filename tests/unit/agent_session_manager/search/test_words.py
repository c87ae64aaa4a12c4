from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_session_manager.search.words import (
    MAX_WORD_CHARS,
    MAX_WORDS,
    index_text,
)

TEXT = st.text(
    st.one_of(
        st.sampled_from("aB3 _-./é—Ａ守昨晚の゛가각ไทย\u0301\u200b\ufe0f"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("snake_case src/store/tables.py", ["snake", "case", "src", "store", "tables", "py"]),
        ("error-401: E_NOENT", ["error", "401", "e", "noent"]),
        ("naïve Ｗｉｄｅ ﬁle STRASSE straße", ["naive", "wide", "file", "strasse", "strasse"]),
        ("Приве́т Ελλάδα", ["привет", "ελλαδα"]),
        ("昨晚", ["昨晚", "晚"]),
        ("重跑gen-itgc后", ["重跑", "跑", "gen", "itgc", "后"]),
        ("ｶﾞﾗｽ", ["ガラ", "ラス", "ス"]),
        ("한국어", ["한국", "국어", "어"]),
        ("สวัสดี", ["สว", "วั", "ัส", "สด", "ดี", "ี"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("soft\u00adhyphen zero\u200bwidth ✓\ufe0f done", ["softhyphen", "zero", "width", "done"]),
    ],
)
def test_words_of_text(text: str, words: list[str]) -> None:
    assert index_text(text).body_words() == words


@pytest.mark.parametrize(
    ("word", "humps"),
    [
        ("getUserById", "by get id user"),
        ("HTTPSConnection", "connection https"),
        ("parseJSON", "json parse"),
        ("XMLHttp2Request", "http2 request xml"),
        ("_privateName.otherName", "name other private"),
        ("CONSTANT Word lower A1", ""),
    ],
)
def test_humps_of_camel_case(word: str, humps: str) -> None:
    assert index_text(word).humps == humps


def test_word_with_humps_is_indexed_as_whole() -> None:
    assert index_text("getUserById").body_words() == ["getuserbyid"]


def test_long_word_is_skipped() -> None:
    longest = "a" * MAX_WORD_CHARS
    assert index_text(f"x {longest} y").body_words() == ["x", longest, "y"]
    assert index_text(f"x {longest}a y").body_words() == ["x", "y"]
    assert index_text(f"x {'é' * (MAX_WORD_CHARS + 1)} y").body_words() == ["x", "y"]


def test_minified_text_is_skipped() -> None:
    minified = "var-a=1;" * 1000
    assert index_text(f"before {minified} after").body_words() == ["before", "after"]


def test_long_text_without_spaces_in_chinese_is_indexed() -> None:
    assert len(index_text("昨晚" * 3000).body_words()) == 6000


def test_words_of_huge_text_are_limited_to_both_ends() -> None:
    words = index_text(" ".join(f"w{number}" for number in range(100_000))).body_words()
    assert len(words) == MAX_WORDS
    assert (words[0], words[-1]) == ("w0", "w99999")


def test_camel_case_in_long_run_takes_linear_time() -> None:
    assert index_text("aB" * 200_000).humps == ""


@given(TEXT, TEXT)
def test_words_are_the_same_beside_other_text(text: str, other: str) -> None:
    alone = index_text(text).body_words()
    assert index_text(f"{text} {other}").body_words()[: len(alone)] == alone


@given(TEXT)
def test_words_have_only_letters_and_digits(text: str) -> None:
    for word in index_text(text).body_words():
        assert not set(word) & set("'\"\\*()<>&|!: \x00")
        assert word == word.lower()
