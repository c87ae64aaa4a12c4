"""Full-text search over the events of all sessions, with an index that follows the record.

The promises are numbered; `tests/store/search/test_search_promises.py` has the same numbers.

1. After `index_some` has returned without `has_more`, every text committed before is found.
2. A hit is an event that exists. Events of a deleted session are not found from then on, and its
   words are removed from the index.
3. The pages of a search contain every match once, unless new matches are indexed between them.
4. Each answer says how far the index is, and whether it has considered all matches.
5. The index is derived: without it, `index_some` builds it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from agent_session_manager.search.extract import Kind
from agent_session_manager.search.query import Query
from agent_session_manager.search.snippet import Snippet
from agent_session_manager.store.queries import Mark, SessionFilter

DEFAULT_KINDS = frozenset(Kind) - {Kind.THINKING}
MAX_RANKED = 2000
"""Number of newest matches that are ranked together."""


class SearchSort(StrEnum):
    """The order of hits."""

    NEWEST = "newest"
    BEST = "best"
    """By rank among the newest 2,000 matches, then among the 2,000 before them, and so on."""


class IndexPausedError(Exception):
    """The index is not written, because the disk is full or nearly full."""


class IndexState(StrEnum):
    """The state of the index compared with the record."""

    CURRENT = "current"
    BEHIND = "behind"
    PAUSED = "paused"
    """The disk is nearly full, and the record needs the rest of it."""
    FAILING = "failing"
    """The last step failed; it is tried again."""

    @classmethod
    def after(cls, failure: Exception) -> IndexState:
        """Return the state after a step has failed."""
        return cls.PAUSED if isinstance(failure, IndexPausedError) else cls.FAILING


@dataclass(frozen=True, kw_only=True)
class Search:
    """A query with its filters. A filter without a value does not filter."""

    query: Query
    kinds: frozenset[Kind] = DEFAULT_KINDS
    tool_name: str | None = None
    has_error: bool | None = None
    """True: only events that have an `error`."""
    since: datetime | None = None
    until: datetime | None = None
    """The moment before which the event happened."""
    sessions: SessionFilter = field(default_factory=SessionFilter)
    """Only events of sessions that pass this filter."""
    sort: SearchSort = SearchSort.NEWEST
    by_session: bool = False
    """True: only the first hit of each session, in the order of the search."""

    @property
    def is_about_events(self) -> bool:
        """True if a filter is on events, so that names of sessions cannot match."""
        filters = (self.tool_name, self.has_error, self.since, self.until)
        return bool(self.query.files) or any(value is not None for value in filters)


@dataclass(frozen=True, kw_only=True)
class FoundSession:
    """The session of a hit."""

    session_id: str
    session_name: str
    project_dir: str | None
    agent_name: str | None
    agent: str | None
    """Name of its agent definition, or else its executor."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """An event that matches, and the part of its text around the first match."""

    session: FoundSession
    seq: int
    run: int
    event_type: str
    kind: Kind
    tool_name: str | None
    has_error: bool
    occurred_at: datetime
    """The client's time; else the time of recording."""
    snippet: Snippet


@dataclass(frozen=True, kw_only=True)
class SearchPage:
    """A page of hits."""

    hits: list[Hit]
    sessions: list[FoundSession]
    """Sessions whose names match, the newest first; only on the first page."""
    considered: int
    """Number of matches that were looked at for this page."""
    is_complete: bool
    """False if time was up before the page was full: the next page continues the search."""
    indexed_through: int
    """Number of the newest event that is in the index."""
    newest: int
    """Number of the newest event."""
    next_page: Mark | None


@dataclass(frozen=True, kw_only=True)
class Indexed:
    """The state of the index after some work."""

    through: int
    has_more: bool
    is_much: bool = False
    """True if it was much for one step: events arrive fast, or were waiting."""
    is_apart: bool = False
    """True if another process did the work, so that commits need no pause after it."""


class Narrowed(NamedTuple):
    """The sessions that can contain a text in what lists filter by `text`."""

    numbers: list[int]
    through: int
    """Position of the last change of a session that the index has: later changes are not in it."""


class SearchIndex(Protocol):
    """The index of a store. Its methods block; call `index_some` in one thread only."""

    def find(self, search: Search, *, limit: int, after: Mark | None = None) -> SearchPage:
        """Return the page of hits that begins after a mark.

        Raises:
            InvalidRequestError: `after` is not a mark of this order.
        """

    def narrow(self, text: str, limit: int) -> Narrowed | None:
        """Return the sessions that can contain a text in their name, project, agent or id.

        None if these are more than `limit`, the text is too short, or the index cannot be read.
        """

    def index_some(self) -> Indexed:
        """Bring the index a bounded step closer to the record, about a quarter of a second.

        Raises:
            IndexPausedError: the disk has no space for the index.
        """

    def close(self) -> None: ...
