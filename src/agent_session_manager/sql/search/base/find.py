"""A search: matches of the index that exist in the record and pass the filters, in pages.

Filters on sessions become facets if few sessions pass them. Otherwise the session of each match is
checked. A search that runs out of time returns the hits that it has, and a mark to continue at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from agent_session_manager.domain.errors import InvalidRequestError
from agent_session_manager.search import facets
from agent_session_manager.search.extract import Kind
from agent_session_manager.search.match import Match
from agent_session_manager.search.snippet import cut_snippet
from agent_session_manager.sql.schema.rows import to_nearest_moment
from agent_session_manager.sql.search.base import record
from agent_session_manager.sql.search.base.reading import MAX_NUMBER, Batch, IndexReading
from agent_session_manager.sql.search.base.stored_text import StoredText
from agent_session_manager.store.queries import Mark, SessionFilter
from agent_session_manager.store.search import (
    DEFAULT_KINDS,
    MAX_RANKED,
    FoundSession,
    Hit,
    Search,
    SearchPage,
    SearchSort,
)

MAX_SESSION_FACETS = 100
"""Maximum number of sessions in a filter that become facets."""
MAX_NAMED = 20
BUDGET_SECONDS = 0.08
"""Time after which a search returns the hits that it has."""
_FEW = 5
"""Number of matches that are looked at together, if only one hit of a session is needed."""


@dataclass
class _Window:
    """Matches in their order, and where the search ended."""

    numbers: list[int]
    rows: dict[int, Row[Any]]
    """Events and sessions of the matches, as far as they were read, by the number of the text."""
    lowest: int
    """No other match has this number or a higher one."""
    considered: int = 0
    is_exhausted: bool = False
    is_late: bool = False
    seen: set[int] = field(default_factory=set)
    """Numbers of the sessions that have a hit, on this page or before."""


class Finder:
    """One search in one state of the index."""

    def __init__(
        self,
        record_connection: Connection,
        index: IndexReading,
        search: Search,
        *,
        now: datetime,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._record = record_connection
        self._index = index
        self._search = search
        self._monotonic = monotonic
        self._deadline = monotonic() + BUDGET_SECONDS
        numbers = record.find_sessions(record_connection, search.sessions, MAX_SESSION_FACETS)
        self._is_empty = numbers == []
        self._is_checked = numbers is None and search.sessions != SessionFilter()
        self._passing_sessions: dict[int, bool] = {}
        # Ranked matches are many, and only those of one page are read.
        self._reads_rows = search.sort is SearchSort.NEWEST or search.by_session
        self._is_first = True
        self._skips = search.by_session and index.skips_sessions
        self._match = _match_of(search, numbers, now)

    def find(self, *, limit: int, after: Mark | None) -> SearchPage:
        is_best = self._search.sort is SearchSort.BEST
        top, place = _parse_mark(after, is_best=is_best)
        if after is None:
            top = record.first_text(self._index.through + 1)
        self._is_first = after is None
        window = self._window(top, MAX_RANKED if is_best else limit)
        found = window.numbers
        next_page: Mark | None = None if window.is_exhausted else (window.lowest,)
        if is_best:
            ranked = self._ranked(window, top)
            found = ranked[place : place + limit]
            if place + limit < len(ranked):
                next_page = (top, place + limit)
            elif next_page is not None:
                next_page = (*next_page, 0)
        return SearchPage(
            hits=self._hits(found, window.rows),
            sessions=[] if after is not None else self._named(),
            considered=window.considered,
            is_complete=not window.is_late,
            indexed_through=self._index.through,
            newest=max(record.read_newest(self._record), self._index.through),
            next_page=next_page,
        )

    def _window(self, top: int, most: int) -> _Window:
        """Collect the newest matches below a number that pass all filters, at most `most`."""
        window = _Window([], {}, lowest=top)
        match = self._match
        while not self._is_empty:
            for batch in self._batches(match, window.lowest):
                sessions = len(window.seen)
                if self._fill(window, batch, top, most):
                    return window
                window.lowest = batch.reached
                if self._monotonic() >= self._deadline:
                    window.is_late = True
                    return window
                if self._skips and len(window.seen) > sessions:
                    break
            else:
                break
            # Skip the other matches of the sessions that have a hit now.
            seen = (facets.of_session(session) for session in sorted(window.seen))
            match = replace(self._match, excluded_facets=(*self._match.excluded_facets, *seen))
        window.is_exhausted = True
        return window

    def _batches(self, match: Match, below: int) -> Iterator[Batch]:
        """Yield the matches below a number; in small batches if only one hit is needed of each."""
        for batch in self._index.matches(match, below=below):
            if not self._skips:
                yield batch
                continue
            numbers = batch.numbers
            for first in range(0, len(numbers), _FEW):
                few = numbers[first : first + _FEW]
                yield Batch(few, few[-1])
            yield Batch([], batch.reached)

    def _fill(self, window: _Window, batch: Batch, top: int, most: int) -> bool:
        """Add the matches of a batch; return whether there is one too many for the window."""
        is_ranked = self._search.sort is SearchSort.BEST
        for number in self._passing(batch.numbers, window):
            if not is_ranked and self._is_repeated(number, window, top):
                continue
            if len(window.numbers) == most:
                window.lowest = window.numbers[-1]
                return True
            window.numbers.append(number)
        return False

    def _passing(self, numbers: list[int], window: _Window) -> Iterator[int]:
        """Yield the matches that pass the filters, and count those looked at."""
        passing = self._inside(numbers)
        if passing and self._reads_rows:
            rows = record.read_hits(self._record, list(passing))
            window.rows.update(rows)
            passing &= rows.keys()
        for number in numbers:
            window.considered += 1
            if number in passing:
                yield number

    def _inside(self, numbers: list[int]) -> set[int]:
        """Return those of the matches that are in the period, and whose session passes."""
        since, until = self._search.since, self._search.until
        if not numbers or (since is None and until is None and not self._is_checked):
            return set(numbers)
        found = self._index.sessions(numbers, since, until)
        if not self._is_checked:
            return set(found)
        passes = self._passing_sessions
        unknown = set(found.values()) - passes.keys()
        if unknown:
            passing = record.filter_sessions(self._record, unknown, self._search.sessions)
            passes.update({session: session in passing for session in unknown})
        return {number for number, session in found.items() if passes[session]}

    def _is_repeated(self, number: int, window: _Window, top: int) -> bool:
        """Return whether the session of a match has a hit already."""
        if not self._search.by_session:
            return False
        session = window.rows[number].session_number
        if session in window.seen:
            return True
        window.seen.add(session)
        return not self._is_first and self._has_match(session, top)

    def _has_match(self, session: int, lowest: int) -> bool:
        """Return whether a session has a match with this number or a higher one."""
        groups = (*self._match.facets, (facets.of_session(session),))
        match = replace(self._match, facets=groups)
        for batch in self._index.matches(match, below=MAX_NUMBER):
            newer = [number for number in batch.numbers if number >= lowest]
            if newer and self._inside(newer):
                return True
            if batch.reached < lowest:
                return False
        return False

    def _ranked(self, window: _Window, top: int) -> list[int]:
        scores = self._index.scores(self._match, window.numbers) if window.numbers else {}
        ranked = sorted(window.numbers, key=lambda number: (-scores.get(number, 0.0), -number))
        return [number for number in ranked if not self._is_repeated(number, window, top)]

    def _named(self) -> list[FoundSession]:
        if self._search.is_about_events or not self._match.wanted:
            return []
        numbers = self._index.named(self._match, MAX_NAMED)
        found = record.read_named(self._record, numbers, self._search.sessions) if numbers else []
        return [_session(row) for row in found]

    def _hits(self, numbers: list[int], rows: dict[int, Row[Any]]) -> list[Hit]:
        unread = [number for number in numbers if number not in rows]
        if unread:
            rows = rows | record.read_hits(self._record, unread)
        texts = self._index.texts(numbers) if numbers else {}
        return [self._hit(rows[n], *texts[n]) for n in numbers if n in texts and n in rows]

    def _hit(self, row: Row[Any], occurred_at: int, stored: StoredText) -> Hit:
        return Hit(
            session=_session(row),
            seq=row.seq,
            run=row.run,
            event_type=row.event_type,
            kind=stored.kind,
            tool_name=stored.tool_name,
            has_error=stored.has_error,
            occurred_at=to_nearest_moment(occurred_at),
            snippet=cut_snippet(stored.text, self._match.wanted),
        )


def _match_of(search: Search, numbers: list[int] | None, now: datetime) -> Match:
    """Return the condition of a search on texts of the index."""
    groups: list[tuple[str, ...]] = [
        (facets.of_file(file.path),) for file in search.query.files if not file.is_excluded
    ]
    excluded = [facets.of_file(file.path) for file in search.query.files if file.is_excluded]
    if search.kinds == DEFAULT_KINDS:
        excluded += [facets.of_kind(kind) for kind in Kind if kind not in DEFAULT_KINDS]
    else:
        groups.append(tuple(sorted(facets.of_kind(kind) for kind in search.kinds)))
    if search.tool_name is not None:
        groups.append((facets.of_tool(search.tool_name),))
    if search.has_error:
        groups.append((facets.ERROR,))
    elif search.has_error is False:
        excluded.append(facets.ERROR)
    times = facets.of_times(search.since, search.until, now)
    if times:
        groups.append(tuple(times))
    if numbers:
        groups.append(tuple(facets.of_session(number) for number in numbers))
    return Match(
        wanted=search.query.wanted,
        excluded=tuple(term for term in search.query.terms if term.is_excluded),
        facets=tuple(groups),
        excluded_facets=tuple(excluded),
    )


def _parse_mark(after: Mark | None, *, is_best: bool) -> tuple[int, int]:
    """Return the number below which a page begins, and the place among the ranked matches.

    Raises:
        InvalidRequestError: the mark is not of this order.
    """
    if after is None:
        return MAX_NUMBER, 0
    parts = [part for part in after if type(part) is int and 0 <= part <= MAX_NUMBER]
    if len(parts) != len(after) or len(parts) != (2 if is_best else 1):
        raise InvalidRequestError("page must be the `next_page` of a page in the same order")
    return parts[0], parts[1] if is_best else 0


def _session(row: Row[Any]) -> FoundSession:
    return FoundSession(
        session_id=row.session_id,
        session_name=row.session_name,
        project_dir=row.project_dir,
        agent_name=row.agent_name,
        agent=row.agent,
    )
