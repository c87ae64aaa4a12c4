"""Searching the record, over as many pages as a search needs."""

from __future__ import annotations

from ...machine.wire_text import wire_text
from ...session_client import _query
from ..answers import is_search_page
from ..manager import Json, ManagerClient, Query

MAX_PAGE = 100


def search(manager: ManagerClient, query: Query, *, limit: int) -> Json:
    """Return one page with up to `limit` hits, and the sessions that the first request found.

    A page of the manager can have fewer hits than it was asked for, since its time is limited.

    Raises:
        SessionClientError: with the code `invalid_query`, if the query is malformed.
    """
    asked = {name: wire_text(value) for name, value in query.items()}
    pages: list[Json] = []
    left = limit
    while left > 0:
        asked["limit"] = str(min(left, MAX_PAGE))
        page = manager._request("GET", "/search" + _query(asked))
        if not is_search_page(page):
            raise manager._misshapen("GET", "/search")
        pages.append(page)
        left -= len(page["hits"])
        if page["next_page"] is None:
            break
        asked["page"] = page["next_page"]
    hits = [hit for page in pages for hit in page["hits"]]
    return {**pages[-1], "hits": hits, "sessions": pages[0]["sessions"]}
