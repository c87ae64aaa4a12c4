from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest

from agent_orchestrator.console.terminal.output import ago, answer, answer_json, clean, one_line
from tests.support.rows import each_row

REMOVED = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Direction marks, which are removed."""


def escaped(character: str) -> str:
    return character.encode("unicode-escape").decode().replace("\\xad", "\\u00ad")


@each_row(
    ("text", "cleaned"),
    [
        ("plain ä 🙂 \u200dkept", "plain ä 🙂 \u200dkept"),
        ("tabs\tand\nlines", "tabs\tand\nlines"),
        ("windows\r\nlines", "windows\nlines"),
        ("one\rother", "one\nother"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[H\x1b[?1049hhome", "home"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]52;c;ZXZpbA==\x1b\\b", "ab"),
        ("a\x1bPq#0\x1b\\b", "ab"),
        ("a\x1b_hidden\x1b\\b", "ab"),
        ("a\x1b]0;never ended", "a0;never ended"),
        ("a\x1b(Bb\x1b=c\x1bcd", "abcd"),
        ("\x1b\x1b[31m[31m", "[31m"),
        ("\x9b31mcut\x9d0;title\x9c", "31mcut0;title"),
        ("\u202eevil\u202c \u2066x\u2069 \u061c\u200e\u200f", "evil x "),
        ("half \ud800 a pair", "half  a pair"),
        ("/bad\udcff/x", "/bad\\xff/x"),
    ],
)
def test_terminal_controls_are_removed(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_only_tabs_and_line_breaks_remain_of_all_controls() -> None:
    every_one = [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))]
    assert clean("".join(c for c in every_one if c != "\x1b") + "\x1b") == "\t\n\n"


def test_cleaning_again_changes_nothing() -> None:
    text = "\x1b\x1b[3\x1b[31m1m\x1b]\x1b]x\x07y\x07"
    assert clean(clean(text)) == clean(text)


def test_long_text_is_cleaned_in_linear_time() -> None:
    """The timeout of the suite is the limit: a backtracking pattern would take hours."""
    for start in ("\x1b[", "\x1b]", "\x1b[;", "\x1b]x", "\x1b(", "\x1b"):
        assert clean(start * 300_000 + "\nend").endswith("\nend")


def test_names_with_invisible_characters_look_different() -> None:
    """Tries every invisible character of Unicode within a name and at both of its ends."""
    ignored = {chr(n) for n in range(0x110000) if unicodedata.category(chr(n)) == "Cf"}
    shown = {chr(n) for n in (*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2)}
    fillers = set("\u00ad\u034f\u115f\u1160\u17b4\u180b\u2800\u3164\ufe0f\uffa0\U000e0100")
    prefixed = {c for c in ignored if 0x110BD <= ord(c) <= 0x13455}  # visible signs
    for character in (ignored | fillers) - shown - prefixed - REMOVED:
        for name in (f"review{character}", f"{character}review", f"re{character}{character}view"):
            assert one_line(name) == name.replace(character, escaped(character)), ascii(name)
    for name in ("👨\u200d👩\u200d👧", "❤\ufe0f", "می\u200cخواهم", "naïve"):
        assert one_line(name) == name
    assert one_line("é\u200d\u200d") == "é\u200d\\u200d"


def test_one_line_replaces_every_kind_of_line_break() -> None:
    assert one_line(" a\nb\r\nc\x0bd\u2028e\u2029f\x85g\t h ") == "a b cd e fg h"


@each_row(("text", "printed"), [("a", "a\n"), ("a\n", "a\n"), ("a\n\n", "a\n\n"), ("", "")])
def test_answer_ends_with_a_line_break(
    capsys: pytest.CaptureFixture[str], text: str, printed: str
) -> None:
    answer(text)
    assert capsys.readouterr() == (printed, "")


def test_json_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    answer_json({"a": "\x1b]0;\x9b\u202eä\ud800\n"})
    assert capsys.readouterr().out == '{\n  "a": "\\u001b]0;\\u009b\\u202e\\u00e4\\ud800\\n"\n}\n'


@each_row(
    ("moment", "said"),
    [
        (None, ""),
        ("2026-01-02T12:00:01.000000Z", "0 s"),
        ("2026-01-02T12:00:00.000000Z", "0 s"),
        ("2026-01-02T11:59:00.100000Z", "59 s"),
        ("2026-01-02T11:59:00.000000Z", "1 min"),
        ("2026-01-02T11:00:00.000000Z", "1 h"),
        ("2026-01-01T12:00:01.000000Z", "23 h"),
        ("2026-01-01T12:00:00.000000Z", "1 d"),
        ("2025-01-01T12:00:00.000000Z", "366 d"),
    ],
)
def test_age_is_shown_in_the_largest_unit(moment: str | None, said: str) -> None:
    assert ago(moment, now=datetime(2026, 1, 2, 12, tzinfo=UTC)) == said
