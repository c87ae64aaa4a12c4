"""Parts of a session's events: after one of them, around one of them, or the last ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from ..client.manager import MAX_PAGE, Json, ManagerClient
from ..client.read.events import events_before
from ..session_client import SessionNotFoundError

Counts = Callable[[Json], bool]
"""Returns whether an event is one of the number that was asked for."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """The events after a seq, or those around one; otherwise the last ones.

    `limit` is the number of events, or the number on each side of the event `around`.
    """

    after: int | None = None
    around: int | None = None
    limit: int | None = None
    since: datetime | None = None
    """Only events since, with each form of the part."""

    def begin(self, manager: ManagerClient, session: Json, counts: Counts) -> int:
        """Return the seq after which the part begins.

        Raises:
            SessionNotFoundError: the event `around` does not exist.
        """
        if self.around is not None:
            check_event(session, self.around)
        return max(self._begin(manager, session, counts), self._first(manager, session))

    def _first(self, manager: ManagerClient, session: Json) -> int:
        """Return the seq of the last event before `since`."""
        if self.since is None:
            return 0
        events = events_before(manager, session["session_id"], session["last_seq"] + 1)
        return next((event["seq"] for event in events if _moment_of(event) < self.since), 0)

    def _begin(self, manager: ManagerClient, session: Json, counts: Counts) -> int:
        if self.after is not None or self.limit is None:
            return self.after or 0
        begin = self.around or session["last_seq"] + 1
        left = self.limit
        for event in events_before(
            manager, session["session_id"], begin, page_size=_page_size(self.limit)
        ):
            if left == 0:
                break
            if counts(event):
                begin, left = event["seq"], left - 1
        return begin - 1

    def read(self, manager: ManagerClient, session: Json, counts: Counts) -> Iterator[Json]:
        """Yield the events of the part that exist now, in order.

        Raises:
            SessionNotFoundError: the event `around` does not exist.
        """
        size = MAX_PAGE if self.limit is None else _page_size(self.limit)
        begin, left = self.begin(manager, session, counts), self.limit
        for event in manager.iterate_events(session["session_id"], after_seq=begin, page_size=size):
            if left is not None and event["seq"] > (self.around or 0) and counts(event):
                if left == 0:
                    return
                left -= 1
            yield event


def _moment_of(event: Json) -> datetime:
    return datetime.fromisoformat(event["recorded_at"])


def check_event(session: Json, seq: int) -> None:
    """Check that a session has an event.

    Raises:
        SessionNotFoundError: it has not. The message says which events exist.
    """
    last = session["last_seq"]
    if seq > last:
        exist = f"its events are 1 to {last}" if last else "it has no events yet"
        name = session["session_name"]
        raise SessionNotFoundError(f"session {name!r} has no event {seq}: {exist}")


def _page_size(number: int) -> int:
    """Return the size of pages in which to look for `number` events that count."""
    return min(2 * number + 10, MAX_PAGE)
