"""Snippets: the part of a text around the first words that a query found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from agent_session_manager.search.query import Term
from agent_session_manager.search.words import fold, is_unspaced

SNIPPET_CHARS = 160
_BEFORE_CHARS = 40
MAX_RANGES = 20
_OF_WORD = "[0-9a-z\x80-\U0010ffff]"
_BETWEEN = "[^0-9a-z\x80-\U0010ffff]"
_WHITE = re.compile(r"\s")


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """A part of a text, in one line. Ranges are half open, and count code points."""

    text: str
    ranges: tuple[tuple[int, int], ...]
    is_beginning: bool
    is_end: bool


def cut_snippet(text: str, terms: Sequence[Term]) -> Snippet:
    """Cut the part around the first match of any term; the beginning if none is found."""
    found = next((spans for spans in _tries(text, terms) if spans), [])
    start = max(0, found[0][0] - _BEFORE_CHARS) if found else 0
    if start:
        space = _WHITE.search(text, start, found[0][0])
        start = space.end() if space is not None else start
    end = min(len(text), start + SNIPPET_CHARS)
    inside = [(first - start, last - start) for first, last in found if last <= end]
    return Snippet(
        text=_WHITE.sub(" ", text[start:end]),
        ranges=tuple(inside[:MAX_RANGES]),
        is_beginning=start == 0,
        is_end=end == len(text),
    )


def _tries(text: str, terms: Sequence[Term]) -> Iterator[list[tuple[int, int]]]:
    """Yield the places of whole words, then those of parts of words, such as humps."""
    folded, places = _fold_with_places(text)
    for is_whole in (True, False):
        patterns = [_pattern(term, is_whole=is_whole) for term in terms]
        if patterns:
            yield list(_spans(re.compile("|".join(patterns)), folded, places))


def _spans(
    pattern: re.Pattern[str], folded: str, places: list[int] | None
) -> Iterator[tuple[int, int]]:
    first: int | None = None
    for found in pattern.finditer(folded):
        start, end = found.span()
        if places is not None:
            start, end = places[start], places[end - 1] + 1
        first = start if first is None else first
        if start > first + SNIPPET_CHARS:
            break
        yield start, end


def _fold_with_places(text: str) -> tuple[str, list[int] | None]:
    """Return the folded text, and for each of its characters the place in the text."""
    if text.isascii():
        return text.lower(), None
    folded: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        plain = _fold_character(character)
        folded.append(plain)
        places += [place] * len(plain)
    return "".join(folded), places


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    return fold(character).lower()


def _pattern(term: Term, *, is_whole: bool) -> str:
    between = f"{_BETWEEN}*" if any(map(is_unspaced, term.shown)) else f"{_BETWEEN}+"
    pattern = between.join(map(re.escape, term.shown))
    if is_whole and not is_unspaced(term.shown[0]):
        pattern = f"(?<!{_OF_WORD}){pattern}"
    if is_whole and not term.is_prefix and not is_unspaced(term.shown[-1]):
        pattern = f"{pattern}(?!{_OF_WORD})"
    return pattern
