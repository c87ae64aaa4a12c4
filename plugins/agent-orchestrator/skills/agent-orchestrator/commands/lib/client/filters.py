"""Filters of lists, as queries of the manager's routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..machine.wire_text import wire_text
from ..session_client import _query

Filters = Mapping[str, str | Sequence[str]]
"""Filters by name. Of several values of a filter, any may match."""


def filter_query(where: Filters, **page: str) -> str:
    """Return the query for a page of a list."""
    values = [
        (name, value)
        for name, given in where.items()
        for value in ([given] if isinstance(given, str) else given)
    ]
    pairs = (_query({name: wire_text(value)})[1:] for name, value in (*values, *page.items()))
    return "?" + "&".join(pairs)
