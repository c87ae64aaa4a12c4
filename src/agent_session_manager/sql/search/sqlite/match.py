"""Matches as queries of SQLite's FTS5. Each word is quoted, and has only letters and digits."""

from __future__ import annotations

from collections.abc import Iterable

from agent_session_manager.search.match import Match
from agent_session_manager.search.query import Term


def to_fts5(match: Match) -> str:
    """Return the FTS5 query of a match."""
    wanted = [_term(term) for term in match.wanted] + [_any_facet(group) for group in match.facets]
    excluded = [_term(term) for term in match.excluded]
    if match.excluded_facets:
        excluded.append(_any_facet(match.excluded_facets))
    positive = " AND ".join(wanted)
    return f"({positive}) NOT ({' OR '.join(excluded)})" if excluded else positive


def to_fts5_of_names(match: Match) -> str:
    """Return the FTS5 query of a match in a table without facets."""
    return to_fts5(Match(wanted=match.wanted, excluded=match.excluded))


def _term(term: Term) -> str:
    """Return a query for a word, also among humps, or for a phrase."""
    columns = "body humps" if len(term.words) == 1 else "body"
    star = " *" if term.is_prefix else ""
    return f'({{{columns}}} : "{" ".join(term.words)}"{star})'


def _any_facet(facets: Iterable[str]) -> str:
    return "(facets : (" + " OR ".join(f'"{facet}"' for facet in facets) + "))"
