"""Words and matches as `tsvector` and `tsquery` of PostgreSQL.

Both are built from words of letters and digits only. Facets begin with a character that no word
contains. Humps have no places, so phrases do not match them.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent_session_manager.search.match import Match
from agent_session_manager.search.query import Term
from agent_session_manager.search.words import index_text

_FACET = "="
_MAX_PLACES = 255
"""Maximum number of places that PostgreSQL keeps of one word."""
_MAX_BYTES = 800_000
"""Maximum size of the words of one text; PostgreSQL allows 1 MB with their places."""
_PLACE_BYTES = 2
_WORD_BYTES = 8


def to_tsvector(text: str, facets: str) -> str:
    """Return the words of a text, with their places, and its facets."""
    indexed = index_text(text)
    places: dict[str, list[str]] = {}
    size = 0
    for place, word in enumerate(indexed.body_words(), 1):
        of_word = places.get(word)
        if of_word is None:
            size += len(word.encode()) + _WORD_BYTES
            if size > _MAX_BYTES:
                break
            of_word = places[word] = []
        if len(of_word) < _MAX_PLACES:
            size += _PLACE_BYTES
            of_word.append(str(place))
    lexemes = [f"'{word}':{','.join(of_word)}" for word, of_word in places.items()]
    lexemes += [f"'{hump}'" for hump in indexed.humps.split() if hump not in places]
    lexemes += [f"'{_FACET}{facet}'" for facet in facets.split()]
    return " ".join(lexemes)


def to_tsquery(match: Match) -> str:
    """Return the query of a match."""
    parts = [to_tsquery_of_terms(match.wanted)] if match.wanted else []
    parts += [_any_facet(group) for group in match.facets]
    parts += [f"!({_term(term)})" for term in match.excluded]
    if match.excluded_facets:
        parts.append(f"!{_any_facet(match.excluded_facets)}")
    return " & ".join(parts)


def to_tsquery_of_terms(terms: Iterable[Term]) -> str:
    return " & ".join(f"({_term(term)})" for term in terms)


def _term(term: Term) -> str:
    star = ":*" if term.is_prefix else ""
    return " <-> ".join(f"'{word}'" for word in term.words) + star


def _any_facet(facets: Iterable[str]) -> str:
    return "(" + " | ".join(f"'{_FACET}{facet}'" for facet in facets) + ")"
