"""Searches of a store in a short form."""

from __future__ import annotations

from typing import Any

from agent_session_manager.search.query import parse_query
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import Mark, SessionFilter
from agent_session_manager.store.search import Search, SearchPage

MAX_STEPS = 1000


def index(store: Store) -> int:
    """Index everything; return the number of the newest event in the index."""
    for _ in range(MAX_STEPS):
        indexed = store.search.index_some()
        if not indexed.has_more:
            return indexed.through
    raise AssertionError("the index does not come to an end")


def find(
    store: Store, query: str, *, limit: int = 100, after: Mark | None = None, **filters: Any
) -> SearchPage:
    names = SessionFilter.__dataclass_fields__.keys() - Search.__dataclass_fields__.keys()
    sessions = SessionFilter(**{n: filters.pop(n) for n in list(filters) if n in names})
    search = Search(query=parse_query(query), sessions=sessions, **filters)
    return store.search.find(search, limit=limit, after=after)


def places(page: SearchPage) -> list[tuple[str, int]]:
    """Return the session and seq of each hit."""
    return [(hit.session.session_id, hit.seq) for hit in page.hits]


def seqs(store: Store, query: str, **filters: Any) -> list[int]:
    """Return the seqs of all hits, when only one session has hits."""
    return [hit.seq for hit in find(store, query, **filters).hits]


def pages(store: Store, query: str, *, limit: int, **filters: Any) -> list[list[tuple[str, int]]]:
    """Return the places of all pages of a search."""
    found = []
    after: Mark | None = None
    for _ in range(MAX_STEPS):
        page = find(store, query, limit=limit, after=after, **filters)
        found.append(places(page))
        after = page.next_page
        if after is None:
            return found
    raise AssertionError("the pages do not come to an end")
