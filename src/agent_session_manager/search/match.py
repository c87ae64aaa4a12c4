"""The condition on a text of the index: terms of a query, and facets."""

from __future__ import annotations

from dataclasses import dataclass

from agent_session_manager.search.query import Term


@dataclass(frozen=True, kw_only=True)
class Match:
    """A text matches if it has all wanted terms, a facet of each group, and nothing excluded."""

    wanted: tuple[Term, ...]
    excluded: tuple[Term, ...] = ()
    facets: tuple[tuple[str, ...], ...] = ()
    """Groups of facets; no group is empty."""
    excluded_facets: tuple[str, ...] = ()
