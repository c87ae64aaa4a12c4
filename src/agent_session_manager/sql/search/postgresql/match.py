"""Words and matches as `tsvector` and `tsquery` of PostgreSQL.

Both are built from words of letters and digits only. Facets begin with a character that no word
contains. Humps have no places, so phrases do not match them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import cache
from itertools import accumulate, chain

from agent_session_manager.search.match import Match
from agent_session_manager.search.query import Term
from agent_session_manager.search.words import index_text

_FACET = "="
_MAX_PLACE = 16_383
_MAX_BYTES = 900_000
"""Maximum size of the words at all places; PostgreSQL allows 1 MB with humps and facets."""


BLOCK_BITS = (14, 17, 20, 23)
"""Blocks of text numbers, as the number of bits that they have in common; the first is smallest."""


def to_tsvector(text: str, facets: str, blocks: Iterable[str] = ()) -> str:
    """Return the words of a text, with their places, and its facets and blocks.

    Words are repeated at each of their places: PostgreSQL collects them faster. It keeps the first
    255 places of a word. No word needs quotes, because words have only letters and digits.
    """
    indexed = index_text(text)
    words = indexed.body_words()
    if not indexed.body.isascii():
        words = _limited(words)
    placed = "".join(chain.from_iterable(zip(words, _places(), strict=False)))
    marked = [_FACET + facet for facet in (*facets.split(), *blocks)]
    return f"{placed}{indexed.humps} {' '.join(marked)}"


@cache
def _places() -> list[str]:
    """Return the texts of all places. They take 1 MB, which no manager on SQLite needs."""
    return [f":{place} " for place in range(1, _MAX_PLACE + 1)]


def blocks_of(number: int) -> list[str]:
    """Return the facets of the blocks of a text, by which a search is limited to new texts."""
    return [_block(number, bits) for bits in BLOCK_BITS]


def _block(number: int, bits: int) -> str:
    return f"n{bits}b{number >> bits}"


def _limited(words: list[str]) -> list[str]:
    """Drop the last words of a text that is too large: some letters fold to several."""
    sizes = accumulate(len(word.encode()) for word in words)
    return words[: bisect_right(list(sizes), _MAX_BYTES)]


def to_tsquery(match: Match) -> str:
    """Return the query of a match."""
    parts = [to_tsquery_of_terms(match.wanted)] if match.wanted else []
    parts += [_any_facet(group) for group in match.facets]
    parts += [f"!({_term(term)})" for term in match.excluded]
    if match.excluded_facets:
        parts.append(f"!{_any_facet(match.excluded_facets)}")
    return " & ".join(parts)


def in_block(query: str, number: int, bits: int) -> str:
    """Return the query of matches in the block of a number."""
    return f"{query} & {_any_facet([_block(number, bits)])}"


def to_tsquery_of_terms(terms: Iterable[Term]) -> str:
    return " & ".join(f"({_term(term)})" for term in terms)


def _term(term: Term) -> str:
    star = ":*" if term.is_prefix else ""
    return " <-> ".join(f"'{word}'" for word in term.words) + star


def _any_facet(facets: Iterable[str]) -> str:
    return "(" + " | ".join(f"'{_FACET}{facet}'" for facet in facets) + ")"
