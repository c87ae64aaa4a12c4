"""The manager: the use cases of the service, independent of the caller.

Reads go to a few threads, changes to the writer. The rules of a session's state are in
`domain/sessions/session.py`. This module does not depend on HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Collection,
    Iterator,
    Sequence,
)
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Self, TypeVar

from agent_session_manager.concurrency.reader import Reader
from agent_session_manager.concurrency.wakeups import Wakeups
from agent_session_manager.concurrency.writer import Writer
from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import RequestNotFoundError, SessionNotFoundError
from agent_session_manager.domain.events.event import Event, NewEvent
from agent_session_manager.domain.sessions.request import FINAL_STATES, Request, RequestState
from agent_session_manager.domain.sessions.run_token import (
    RunCaller,
    digest_of,
    is_agent_token,
    is_token_of_a_run,
)
from agent_session_manager.domain.sessions.session import Run, Session, Status, is_session_id
from agent_session_manager.feed.family import of_family
from agent_session_manager.feed.feed import Feed
from agent_session_manager.feed.frames import Frame, ListFrame
from agent_session_manager.manager.alerts import AlertQueue
from agent_session_manager.manager.indexing import Indexing
from agent_session_manager.manager.metrics import Metrics
from agent_session_manager.manager.notices import Notices
from agent_session_manager.manager.transcripts import Transcripts
from agent_session_manager.store import changes, queries
from agent_session_manager.store.change import SessionChange
from agent_session_manager.store.feeds import Beginning, Changes
from agent_session_manager.store.history import ImportedHistory, ImportHistory
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.retention import Due, RetentionChange
from agent_session_manager.store.search import Search, SearchPage
from agent_session_manager.store.space import PAGES_AT_ONCE, Freed
from agent_session_manager.store.statistics import Facets, UsageQuery, UsageReport, UsageRow

T = TypeVar("T")


class Manager:
    """The use cases. Open it with `Manager.open(store)`, which closes the store at the end."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        reader: Reader,
        wakeups: Wakeups,
        *,
        keeps_transcripts: bool = True,
    ) -> None:
        self._store = store
        self._writer = writer
        self._read = reader.read
        self._wakeups = wakeups
        self._vacuuming = asyncio.Lock()
        self.transcripts = Transcripts(writer, reader, keeps=keeps_transcripts)
        self._feed = Feed(wakeups, reader)
        self.indexing = Indexing(store, wakeups)
        self.notices = Notices(writer, reader, wakeups)
        self.alerts = AlertQueue(store, writer, reader)
        self.metrics = Metrics(writer, reader, wakeups, self._feed)

    @classmethod
    @asynccontextmanager
    async def open(cls, store: Store, *, keeps_transcripts: bool = True) -> AsyncIterator[Self]:
        """Serve a store until the block ends; then commit waiting changes, and close the store.

        Without `keeps_transcripts`, stored transcripts can still be read and deleted.
        """
        reader = Reader(store)
        wakeups = Wakeups()
        loop = asyncio.get_running_loop()

        def notify_from_thread(changed: Collection[str] | None) -> None:
            loop.call_soon_threadsafe(wakeups.notify, changed)

        try:
            store.watch(notify_from_thread)
            async with Writer(store, wakeups.notify) as writer:
                manager = cls(store, writer, reader, wakeups, keeps_transcripts=keeps_transcripts)
                try:
                    yield manager
                finally:
                    manager.indexing.close()
        finally:
            reader.close()
            store.close()

    def end_on_failure(self, end: Callable[[], None]) -> None:
        """Call `end` once the store can permanently accept no more changes."""
        self._writer.on_failure = end

    def raise_failure(self) -> None:
        """Raise the error after which the store accepts no more changes, if there is one."""
        if self._writer.failure is not None:
            raise self._writer.failure

    async def create_session(self, new: changes.CreateSession) -> Session:
        return await self._writer.commit(new)

    async def update_session(self, change: changes.UpdateSession) -> Session:
        return await self._commit(change)

    async def open_run(self, change: changes.OpenRun) -> Session:
        return await self._commit(change)

    async def delete_session(self, session_id: str, *, force: bool = False) -> int:
        """Delete a session and all its data; return the number of its events."""
        return await self._commit(changes.DeleteSession(session_id=session_id, force=force))

    async def claim_lease(self, change: changes.ClaimLease) -> Session:
        return await self._commit(change)

    async def release_lease(self, change: changes.ReleaseLease) -> Session:
        return await self._commit(change)

    async def revoke_run_token(self, change: changes.RevokeRunToken) -> None:
        """Revoke the token of a run; an unknown token counts as revoked."""
        await self._commit(change)

    async def find_caller(self, token: str) -> RunCaller | None:
        """Return the run that a run token or agent token belongs to, or None."""
        if not is_token_of_a_run(token):
            return None
        found = await self._read(lambda store: store.run_tokens.find_caller(digest_of(token)))
        return found and replace(found, is_agent=is_agent_token(token))

    async def is_in_family(self, caller: RunCaller, session_id: str) -> bool:
        """Return whether a session is the run's own session or below it."""
        if session_id == caller.session_id:
            return True
        return is_session_id(session_id) and await self._read(
            lambda store: store.run_tokens.is_in_family(caller, session_id)
        )

    async def is_below(self, caller: RunCaller, session_id: str) -> bool:
        """Return whether a session is below the run's own session."""
        return session_id != caller.session_id and await self.is_in_family(caller, session_id)

    async def create_request(self, change: changes.CreateRequest) -> Request:
        """Create a request to a run."""
        return await self._commit(change)

    async def settle_request(self, change: changes.SettleRequest) -> Request:
        """Set the state of a request."""
        return await self._commit(change)

    async def list_requests(
        self,
        session_id: str,
        run: int,
        *,
        state: RequestState | None = None,
        wait_seconds: float = 0.0,
    ) -> list[Request]:
        """List the requests to a run; with a wait, return once there is one or the time is up."""
        _known(session_id)

        async def look() -> tuple[list[Request], bool]:
            found = await self._read(
                lambda store: store.list_requests(session_id, run, state=state)
            )
            return found, bool(found)

        return await self._wakeups.look_until(session_id, look, wait_seconds)

    async def get_request(
        self, session_id: str, run: int, request_id: str, *, wait_seconds: float = 0.0
    ) -> Request:
        """Get a request; with a wait, return once it is settled, its run ended or time is up."""

        async def look() -> tuple[Request, bool]:
            # First, because the end of the run also settles its requests.
            newest = (await self.get_session(session_id)).newest_run
            requests = await self.list_requests(session_id, run)
            found = next((r for r in requests if r.request_id == request_id), None)
            if found is None:
                raise RequestNotFoundError(session_id, request_id)
            is_over = newest.is_finished or newest.run > run
            return found, is_over or found.state in FINAL_STATES

        return await self._wakeups.look_until(session_id, look, wait_seconds)

    def stop_waiting(self) -> None:
        """Answer all waiting callers with the current state: the service is stopping."""
        self._wakeups.close()

    async def append(
        self, session_id: str, events: Sequence[NewEvent], *, known: Cursor | None = None
    ) -> list[int]:
        """Append all events or none; return their seqs once they are durable."""
        change = changes.AppendEvents(session_id=session_id, events=events, known=known)
        seqs = await self._commit(change)
        self.metrics.events += len(seqs)
        return seqs

    async def import_history(self, change: ImportHistory) -> ImportedHistory:
        """Import a part of a session's history."""
        return await self._commit(change)

    async def get_session(self, session_id: str) -> Session:
        _known(session_id)
        return await self._read(lambda store: store.get_session(session_id))

    async def get_status(self, session_id: str) -> Status:
        if not is_session_id(session_id):
            return "not_existent"
        return await self._read(lambda store: store.get_status(session_id))

    async def get_result(self, session_id: str) -> str:
        _known(session_id)
        return await self._read(lambda store: store.get_result(session_id))

    async def list_sessions(
        self,
        where: queries.SessionFilter,
        *,
        limit: int,
        sort: queries.SessionSort = queries.SessionSort.CREATED,
        order: queries.Order | None = None,
        after: queries.Mark | None = None,
    ) -> queries.SessionPage:
        return await self._read(
            lambda store: store.list_sessions(
                where, limit=limit, sort=sort, order=order, after=after
            )
        )

    async def count_sessions(self, where: queries.SessionFilter) -> int:
        return await self._read(lambda store: store.count_sessions(where))

    async def list_events(
        self, session_id: str, where: queries.EventFilter, *, limit: int
    ) -> queries.EventPage:
        _known(session_id)
        return await self._read(lambda store: store.list_events(session_id, where, limit=limit))

    async def get_outline(self, session_id: str, after_seq: int) -> queries.OutlinePage:
        _known(session_id)
        return await self._read(lambda store: store.get_outline(session_id, after_seq))

    def follow(
        self, session_id: str, begin: Cursor | int, *, forever: bool = False
    ) -> AsyncGenerator[Frame]:
        """Yield every event of a session past `begin`: first stored ones, then live ones."""
        _known(session_id)
        return self._feed.follow(session_id, begin, forever=forever)

    def follow_list(self, cursor: Cursor) -> AsyncGenerator[ListFrame]:
        """Yield the changes in the list of all sessions past a cursor."""
        return self._feed.follow_list(cursor)

    def follow_family(
        self, caller: RunCaller, cursor: Cursor, *, head: Cursor
    ) -> AsyncGenerator[ListFrame]:
        """Yield the changes of a run's family in that list; `head` is the list's newest cursor."""
        return of_family(
            self._feed.follow_list(cursor),
            lambda: self._read(lambda store: store.run_tokens.list_family(caller)),
            head,
        )

    async def get_head(self) -> Cursor:
        """Return the newest cursor of the list of all sessions."""
        return await self._read(lambda store: store.feeds.head())

    @contextmanager
    def reading(self) -> Iterator[asyncio.Event]:
        """Register a reader of all sessions. Every change sets the event, and so does the stop.

        Raises:
            OverloadedError: there are too many readers.
        """
        with self._feed.counted(), self._wakeups.subscribe(None) as changed:
            yield changed

    def changes_of(self, session_id: str) -> AbstractContextManager[asyncio.Event]:
        """Yield an event that each change of a session sets, and so does the stop."""
        return self._wakeups.subscribe(session_id)

    @property
    def is_stopping(self) -> bool:
        """True once the service is stopping; waiting callers must return."""
        return self._wakeups.is_closed

    async def read_beginning(self, *, limit: int) -> Beginning:
        """Read the newest sessions, and the positions after which all later changes come."""
        return await self._read(lambda store: store.feeds.begin(limit=limit))

    async def read_changes(self, after: Cursor, limit: int, known: Cursor | None = None) -> Changes:
        """Read the changes in the list of all sessions past a cursor."""
        return await self._read(
            lambda store: store.feeds.read_changes(after, limit=limit, known=known)
        )

    async def read_events(self, after: int, limit: int, max_chars: int) -> list[tuple[str, Event]]:
        """Read the events of all sessions past a number."""
        return await self._read(
            lambda store: store.feeds.read_events(after, limit=limit, max_chars=max_chars)
        )

    async def sum_usage(
        self, *, since: datetime, bucket: timedelta, zone: tzinfo
    ) -> list[UsageRow]:
        return await self._read(
            lambda store: store.statistics.sum_usage(since=since, bucket=bucket, zone=zone)
        )

    async def report_usage(self, query: UsageQuery) -> UsageReport:
        return await self._read(lambda store: store.statistics.report_usage(query))

    async def list_facets(self, *, limit: int) -> Facets:
        return await self._read(lambda store: store.statistics.list_facets(limit=limit))

    async def search(
        self, search: Search, *, limit: int, after: queries.Mark | None = None
    ) -> SearchPage:
        return await self._read(lambda store: store.search.find(search, limit=limit, after=after))

    async def list_questions(
        self, where: queries.QuestionFilter, *, limit: int, after: queries.Mark | None = None
    ) -> queries.QuestionPage:
        return await self._read(lambda store: store.list_questions(where, limit=limit, after=after))

    async def list_runs(self, session_id: str) -> list[Run]:
        _known(session_id)
        return await self._read(lambda store: store.list_runs(session_id))

    async def find_due(
        self, change: type[RetentionChange], before: datetime, *, limit: int
    ) -> list[Due]:
        """Find the sessions that are due for a retention change."""
        return await self._read(lambda store: store.retention.find_due(change, before, limit=limit))

    async def retire(self, change: RetentionChange) -> list[str]:
        """Archive sessions or delete their data; return the ids of the changed sessions."""
        return await self._writer.commit(change)

    async def next_expiry(self) -> datetime | None:
        """Return the time at which the first lease expires, or None without leases."""
        return await self._read(lambda store: store.next_expiry())

    async def extend_leases(self, by: timedelta | None = None) -> int:
        """Extend every lease, by default to one full term; return the number of leases."""
        return await self._writer.commit(changes.ExtendLeases(by=by))

    async def reap_leases(self) -> list[str]:
        """Close the runs whose lease has expired, as `lost`; return the ids of their sessions."""
        return await self._writer.commit(changes.ReapLeases())

    async def mark_quiet(self, silent_since: datetime, in_call_since: datetime) -> list[str]:
        """Mark the running sessions that are silent since these moments; return their ids."""
        if not await self._read(lambda store: store.has_silent(silent_since, in_call_since)):
            return []
        change = changes.MarkQuiet(silent_since=silent_since, in_call_since=in_call_since)
        return await self._writer.commit(change)

    async def vacuum(self) -> Freed:
        """Return the space of deleted data to the file system, a few pages between commits."""
        async with self._vacuuming:
            space = before = await self._writer.alone(lambda: self._store.free_some(0))
            # Bounded by the free space at the start: deletions during the loop must not prolong it.
            for _ in range(0, before.free_bytes, PAGES_AT_ONCE * before.page_bytes):
                if self.is_stopping or not space.free_bytes:
                    break
                space = await self._writer.alone(lambda: self._store.free_some(PAGES_AT_ONCE))
        return Freed(before_bytes=before.total_bytes, after_bytes=space.total_bytes)

    async def _commit(self, change: SessionChange[T]) -> T:
        _known(change.session_id)
        return await self._writer.commit(change)


def _known(session_id: str) -> None:
    """Raise an error for an id that no session can have, without a query."""
    if not is_session_id(session_id):
        raise SessionNotFoundError(session_id)
