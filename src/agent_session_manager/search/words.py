"""Words of a text, as both databases index them.

A word is a run of letters and digits. Width, case and accents do not count. Scripts without spaces
between words become overlapping pairs of characters. A word in camel case is indexed as a whole,
and also by its humps. Words are not stemmed. Long words and long texts without spaces are skipped:
they are hashes, encoded data or minified code.

ASCII text is returned nearly as it is, because most text is ASCII: SQLite splits it faster.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

MAX_WORD_CHARS = 64
"""Longer words are not indexed."""
MAX_WORDS = 16_000
"""Maximum number of words of one text. PostgreSQL keeps the places of 16,383 words."""
_LAST_WORDS = 4_000
_MAX_SOLID_CHARS = 4096
"""Longer texts without a space are minified or encoded."""
_KEPT_RUN_CHARS = 32
"""Maximum length of runs whose folded form is kept: most are one letter or one dash."""

WORD = re.compile("[0-9A-Za-z\x80-\U0010ffff]+")
"""A word in folded text. SQLite's tokenizer `ascii` splits at the same places."""
_TOO_LONG = re.compile(f"[0-9A-Za-z\x80-\U0010ffff]{{{MAX_WORD_CHARS + 1},}}")
_SOLID = re.compile(f"[!-~]{{{_MAX_SOLID_CHARS + 1},}}")
_NOT_ASCII = re.compile("[^\x00-\x7f]+")
_HUMP_BEGINS = (b"aA", b"0A", b"AAa")
"""The begin of a hump inside a word, in the classes of `_CASES`."""
_HUMP = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_ACCENTS = re.compile("[\u0300-\u036f]")
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3100-\u318f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
"""Chinese, Japanese, Korean, Thai, Lao, Burmese and Khmer."""
UNSPACED_RUN = re.compile(f"[{_UNSPACED}]+")
_SEGMENT = re.compile(f"[{_UNSPACED}]+|(?:(?![{_UNSPACED}])[0-9A-Za-z\x80-\U0010ffff])+")
_BREAK = "\u200b"


def _classes(of: Callable[[int], bytes]) -> bytes:
    """Return a table for `bytes.translate`: the class of each byte.

    Looking for a text in the classes of a long text is many times as fast as a regular expression.
    """
    return b"".join(map(of, range(256)))


def _case(byte: int) -> bytes:
    for characters, of_all in (
        (string.digits, b"0"),
        (string.ascii_lowercase, b"a"),
        (string.ascii_uppercase, b"A"),
    ):
        if chr(byte) in characters:
            return of_all
    return b" "


_CASES = _classes(_case)
_IN_WORDS = _classes(lambda byte: b"a" if byte > 127 or _case(byte) != b" " else b" ")
_VISIBLE = _classes(lambda byte: b"a" if 32 < byte < 127 else b" ")
_LONG_RUN = b"a" * (MAX_WORD_CHARS + 1)
_SOLID_RUN = b"a" * (_MAX_SOLID_CHARS + 1)


class IndexedText(NamedTuple):
    """A text for the index: the folded text, and the humps of its words in camel case."""

    body: str
    humps: str

    def body_words(self) -> list[str]:
        """Return the words in their order."""
        return WORD.findall(self.body.lower())


def index_text(text: str) -> IndexedText:
    """Return the form of a text that is indexed. Equal texts have equal forms."""
    folded = text if text.isascii() else _in_pairs(fold(text))
    if _may_be_encoded(folded):
        folded = _TOO_LONG.sub(" ", _SOLID.sub(" ", folded))
    if len(folded) > 2 * MAX_WORDS:
        folded = _limited(folded)
    return IndexedText(folded, " ".join(sorted(_humps(text))))


def _may_be_encoded(folded: str) -> bool:
    """Return whether a text may have a word or a run that is too long. Counts bytes of UTF-8."""
    encoded = folded.encode("utf-8", "surrogatepass")
    if _LONG_RUN in encoded.translate(_IN_WORDS):
        return True
    return len(encoded) > _MAX_SOLID_CHARS and _SOLID_RUN in encoded.translate(_VISIBLE)


def fold(text: str) -> str:
    """Return a text without differences of width, case and accents. ASCII keeps its case.

    Characters that are not part of a word become spaces, unless they are ASCII.
    """
    return _NOT_ASCII.sub(lambda found: _fold_run(found[0]), text)


def segments(text: str) -> list[str]:
    """Return the words of a query; a run of a script without spaces is one word."""
    return _SEGMENT.findall(fold(text).lower())


def pairs(run: str) -> list[str]:
    """Return the words of a run without spaces: its pairs of characters, and its last character.

    The last character makes each single character the beginning of a word.
    """
    return [*(run[place : place + 2] for place in range(len(run) - 1)), run[-1]]


def is_unspaced(word: str) -> bool:
    """Return whether a word is a run of a script without spaces between words."""
    return UNSPACED_RUN.fullmatch(word) is not None


def _in_pairs(folded: str) -> str:
    return UNSPACED_RUN.sub(lambda found: f" {' '.join(pairs(found[0]))} ", folded)


def _fold_run(run: str) -> str:
    return _kept_fold(run) if len(run) <= _KEPT_RUN_CHARS else _folded(run)


def _folded(run: str) -> str:
    plain = unicodedata.normalize("NFKC", run.replace(_BREAK, " ")).casefold()
    plain = _ACCENTS.sub("", unicodedata.normalize("NFD", plain))
    return "".join(map(_of_word, unicodedata.normalize("NFC", plain).lower()))


_kept_fold = lru_cache(maxsize=4096)(_folded)


@lru_cache(maxsize=4096)
def _of_word(character: str) -> str:
    """Return the character if it is part of words, no text if it is invisible, else a space."""
    if character.isascii():
        return character
    category = unicodedata.category(character)
    if category == "Cf" or "\ufe00" <= character <= "\ufe0f":
        return ""
    return character if category[0] in "LMN" else " "


def _limited(folded: str) -> str:
    """Cut words out of the middle of a text that has too many."""
    words = WORD.findall(folded)
    if len(words) <= MAX_WORDS:
        return folded
    return " ".join([*words[: MAX_WORDS - _LAST_WORDS], *words[-_LAST_WORDS:]])


def _humps(text: str) -> set[str]:
    return {hump for word in set(_camel_case(text)) for hump in _humps_of(word)}


@lru_cache(maxsize=4096)
def _humps_of(word: str) -> tuple[str, ...]:
    return tuple(hump.lower() for hump in _HUMP.findall(word))


def _camel_case(text: str) -> Iterator[str]:
    """Yield the words that have humps, except those that are too long to be indexed."""
    cases = text.encode("latin-1", "replace").translate(_CASES)  # a byte for each character
    for begin in _HUMP_BEGINS:
        place = cases.find(begin)
        while place >= 0:
            lowest = max(0, place - MAX_WORD_CHARS)
            start = cases.rfind(b" ", lowest, place) + 1 or lowest
            end = cases.find(b" ", place)
            end = len(cases) if end < 0 else end
            if end - start <= MAX_WORD_CHARS:
                yield text[start:end]
            place = cases.find(begin, end)
