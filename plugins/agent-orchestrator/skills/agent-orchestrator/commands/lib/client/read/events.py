"""Reading the events of a session backwards."""

from __future__ import annotations

from collections.abc import Iterator

from ...session_client import _path, _query
from ..answers import is_part
from ..manager import MAX_PAGE, Json, ManagerClient


def events_before(
    manager: ManagerClient, session_id: str, seq: int, *, page_size: int = MAX_PAGE
) -> Iterator[Json]:
    """Yield the events before `seq`, newest first, page by page."""
    path = _path(session_id) + "/events"
    has_more = True
    while has_more:
        query = {"before_seq": str(seq), "limit": str(page_size)}
        page = manager._request("GET", path + _query(query))
        events = page.get("events")
        if not isinstance(events, list) or not is_part("events", events):
            raise manager._misshapen("GET", path)
        yield from events
        has_more = bool(events) and page.get("has_more") is True
        seq = events[-1]["seq"] if events else seq


def newest_events(
    manager: ManagerClient, session_id: str, event_type: str, *, limit: int = MAX_PAGE
) -> list[Json]:
    """Return the last events of a type, newest first, up to `limit`."""
    query = {"event_type": event_type, "before_seq": str(2**63 - 1), "limit": str(limit)}
    return manager._get("events", list, "GET", _path(session_id) + "/events" + _query(query))
