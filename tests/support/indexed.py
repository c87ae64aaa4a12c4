"""Waiting for the search index."""

from __future__ import annotations

from tests.support.api import Api
from tests.support.waiting import wait_for


def wait_for_index(api: Api) -> None:
    """Wait until all events can be found by their words.

    The state in `/health` is that of the last step, which can be older than the newest event.
    """

    def is_current() -> bool:
        found = api.get("/search?q=x").json
        return bool(found["indexed_through"] == found["newest"])

    wait_for(is_current, "the index has reached the record")
