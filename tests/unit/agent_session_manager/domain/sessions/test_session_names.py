"""Names of new sessions: invisible characters are refused."""

from __future__ import annotations

import unicodedata

import pytest

from agent_orchestrator.console.terminal.output import one_line
from agent_session_manager.domain.errors import InvalidNameError
from agent_session_manager.domain.sessions.names import check_name, reserved_name

GOOD = (
    *("fix-login", "naïve – 日本語", "two words", "a\u00a0b", "🦾", "❤\ufe0f", "👩\u200d💻"),
    "👩🏽\u200d❤\ufe0f\u200d👩🏽",
    "می\u200cخواهم",
    "क\u094d\u200dष",
)
BAD = (
    ("review\u200b", "U+200B (ZERO WIDTH SPACE) at position 7"),
    ("re\u202eview", "U+202E (RIGHT-TO-LEFT OVERRIDE) at position 3"),
    ("a\x1b[31m", "U+001B at position 2"),
    ("two\nlines", "U+000A at position 4"),
    (" x", "U+0020 (SPACE) at position 1"),
    ("x\u3000", "U+3000 (IDEOGRAPHIC SPACE) at position 2"),
    ("a\u200db", "U+200D (ZERO WIDTH JOINER) at position 2"),
    ("a\ufe0f", "U+FE0F (VARIATION SELECTOR-16) at position 2"),
    ("👩\u200d", "U+200D (ZERO WIDTH JOINER) at position 2"),
    ("\u200d👩", "U+200D (ZERO WIDTH JOINER) at position 1"),
    ("م\u200c", "U+200C (ZERO WIDTH NON-JOINER) at position 2"),
    ("👩\u200d\u200d💻", "U+200D (ZERO WIDTH JOINER) at position 2"),
)


def problem_of(name: str) -> str:
    with pytest.raises(InvalidNameError) as caught:
        check_name(name)
    return str(caught.value)


def test_refused_name_error_has_character_and_position() -> None:
    for name in GOOD:
        check_name(name)
    assert [(name, problem_of(name).split("has ")[1].split(":")[0]) for name, _ in BAD] == list(BAD)


def test_name_cannot_contain_invisible_characters() -> None:
    """These are the characters that the commands mark, and all control and format characters."""
    unseen = {"Cc", "Cf", "Zl", "Zp"}
    for first in (*range(0, 0xD800, 256), *range(0xE000, 0x110000, 256)):
        characters = [chr(number) for number in range(first, first + 256)]
        together = f"a{'a'.join(characters)}a"
        if one_line(together) == together and unseen.isdisjoint(
            map(unicodedata.category, together)
        ):
            continue
        for character in characters:
            is_marked = one_line(f"a{character}b").replace(" ", "") not in (f"a{character}b", "ab")
            if is_marked or unicodedata.category(character) in unseen:
                assert f"U+{ord(character):04X}" in problem_of(f"a{character}b")


def test_unicode_forms_of_a_name_are_equal() -> None:
    forms = [unicodedata.normalize(form, "Ǻ café 각") for form in ("NFC", "NFD")]
    assert forms[0] != forms[1]
    assert reserved_name(forms[0]) == reserved_name(forms[1]) == forms[0]
