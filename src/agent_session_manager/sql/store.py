"""The store in SQL, for both databases. Its promises are in `store/protocol.py`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError

from agent_session_manager.domain.errors import (
    DiskFullError,
    StoreUnavailableError,
    VacuumNotPossibleError,
)
from agent_session_manager.domain.events.model_request import PriceOf
from agent_session_manager.domain.sessions.alert import Interests, no_interests
from agent_session_manager.domain.sessions.request import Request, RequestState
from agent_session_manager.domain.sessions.session import Run, Session, Status
from agent_session_manager.sql.care.safeguards import Safeguards, open_safeguards
from agent_session_manager.sql.care.vacuum import free_some
from agent_session_manager.sql.care.verify import refuse_damaged
from agent_session_manager.sql.database.database import Database
from agent_session_manager.sql.database.engines.open import open_database
from agent_session_manager.sql.database.errors import connected, is_broken, refusal_of
from agent_session_manager.sql.migrate import migrate
from agent_session_manager.sql.read.alerts import SqlAlerts
from agent_session_manager.sql.read.attention import has_silent
from agent_session_manager.sql.read.events import get_result, list_events
from agent_session_manager.sql.read.families import SqlRunTokens
from agent_session_manager.sql.read.feeds import SqlFeeds
from agent_session_manager.sql.read.notices import SqlNotices
from agent_session_manager.sql.read.outline import get_outline
from agent_session_manager.sql.read.questions import list_questions
from agent_session_manager.sql.read.retention import SqlRetention
from agent_session_manager.sql.read.runs import list_requests, list_runs, next_expiry
from agent_session_manager.sql.read.sessions import (
    count_sessions,
    get_session,
    get_status,
    list_sessions,
)
from agent_session_manager.sql.read.statistics import SqlStatistics
from agent_session_manager.sql.read.text_filter import MOST, narrowed
from agent_session_manager.sql.read.transcripts import SqlTranscripts
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.search.index_process import SharedIndex
from agent_session_manager.sql.search.open import open_index
from agent_session_manager.sql.write.derived.usage import unpriced
from agent_session_manager.sql.write.transaction import Transaction
from agent_session_manager.store.change import Change, changed_sessions
from agent_session_manager.store.changes import DeleteSession
from agent_session_manager.store.errors import StoreBrokenError
from agent_session_manager.store.protocol import Notice
from agent_session_manager.store.queries import (
    EventFilter,
    EventPage,
    Mark,
    Order,
    OutlinePage,
    QuestionFilter,
    QuestionPage,
    SessionFilter,
    SessionPage,
    SessionSort,
)
from agent_session_manager.store.retention import DeleteArchived, DeleteTranscripts
from agent_session_manager.store.search import SearchIndex
from agent_session_manager.store.space import Space
from agent_session_manager.store.transcripts import DeleteTranscript
from agent_shared.manager_settings import DEFAULT_LEASE_SECONDS

Clock = Callable[[], datetime]
_FREEING = (DeleteSession, DeleteTranscript, DeleteArchived, DeleteTranscripts)
"""The changes that free space."""


def open_store(
    url: str,
    *,
    clock: Clock,
    lease_seconds: float = DEFAULT_LEASE_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
    price_of: PriceOf = unpriced,
    interests: Interests = no_interests,
) -> SqlStore:
    """Open the database at `url` and bring it to the schema of this version.

    Raises:
        DatabaseError: the database cannot be opened, is damaged, or was written by a newer version.
    """
    database = open_database(url)
    try:
        refuse_damaged(database)
        migrate(database)
        safeguards = open_safeguards(database, monotonic)
    except BaseException:
        database.close()
        raise
    return SqlStore(
        database,
        safeguards,
        clock=clock,
        lease_seconds=lease_seconds,
        price_of=price_of,
        interests=interests,
    )


class SqlStore:
    """Sessions, runs and events in SQLite or PostgreSQL. `close` also closes the database."""

    def __init__(
        self,
        database: Database,
        safeguards: Safeguards | None,
        *,
        clock: Clock,
        lease_seconds: float,
        price_of: PriceOf = unpriced,
        interests: Interests = no_interests,
    ) -> None:
        self._database = database
        self._safeguards = safeguards
        self._is_broken = False
        self._clock = clock
        self._price_of = price_of
        self._interests = interests
        self._term = int(lease_seconds * 1_000_000)
        self.transcripts = SqlTranscripts(self._read)
        self.feeds = SqlFeeds(self._read)
        self.retention = SqlRetention(self._read)
        self.statistics = SqlStatistics(self._read)
        self.run_tokens = SqlRunTokens(self._read)
        self.alerts = SqlAlerts(self._read, clock)
        self.notices = SqlNotices(self._read, clock)
        self.search: SearchIndex = open_index(database, self._read, clock=clock)

    @property
    def url(self) -> str:
        return self._database.shown_url

    def share_indexing(self) -> None:
        """Let a process of its own do the indexing while there is much of it."""
        self.search = SharedIndex(self.search, self._database.url)

    def watch(self, notice: Notice) -> None:
        self._database.watch(notice)

    def close(self) -> None:
        """Close the database, except after its disk failed: then it stays open until the exit.

        Closing it would checkpoint commits that may not be on the disk.
        """
        self.search.close()
        if self._is_broken:
            return
        if self._safeguards is not None:
            self._safeguards.close()
        self._database.close()

    def rest(self) -> bool:
        if self._safeguards is None:
            return False
        with self._noting_breaks():
            return self._safeguards.rest()

    def commit(self, changes: Sequence[Change[Any]]) -> list[Any]:
        """Make all changes in one transaction; return their outcomes.

        If the database rejects a change, the whole transaction fails. Each change is then tried in
        a separate transaction, so that the other changes do not fail.
        """
        try:
            return self._transact(changes)
        except OperationalError as exc:  # an error of the database, not of a change
            refused = refusal_of(exc)
            if isinstance(refused, DiskFullError):
                return self._delete_at_least(changes, refused)
            return [refused] * len(changes)
        except SQLAlchemyError as exc:
            if len(changes) > 1:
                return [self.commit([change])[0] for change in changes]
            return [self._second_try(changes[0], exc)]

    def _delete_at_least(self, changes: Sequence[Change[Any]], full: DiskFullError) -> list[Any]:
        """On a full disk, make only the changes that free space, each alone."""
        outcomes: list[Any] = [full] * len(changes)
        deleting = [place for place, change in enumerate(changes) if isinstance(change, _FREEING)]
        if deleting and self._safeguards is not None:
            with self._noting_breaks(), self._safeguards.room_for_deletions():
                for place in deleting:
                    outcomes[place] = self._deleted(changes[place])
        return outcomes

    def _deleted(self, change: Change[Any]) -> Any:
        try:
            return self._transact([change])[0]
        except SQLAlchemyError as exc:
            return refusal_of(exc)

    def _second_try(self, change: Change[Any], first: SQLAlchemyError) -> Any:
        """Retry after a conflict with another manager, whose commit is now visible."""
        if isinstance(first, IntegrityError):
            try:
                return self._transact([change])[0]
            except SQLAlchemyError as exc:
                return refusal_of(exc)
        return refusal_of(first)

    def _transact(self, changes: Sequence[Change[Any]]) -> list[Any]:
        with self._noting_breaks():
            with self._database.writing.begin() as connection:
                now = rows.to_microseconds(self._clock())
                transaction = Transaction(
                    connection,
                    now=now,
                    term=self._term,
                    price_of=self._price_of,
                    interests=self._interests,
                )
                outcomes = transaction.make(changes)
                self._database.notify(connection, changed_sessions(changes, outcomes))
                reached = None if self._safeguards is None else self._safeguards.count(connection)
            if self._safeguards is not None and reached is not None:
                self._safeguards.committed(reached)
            if transaction.has_alerts:
                self.alerts.tell()
            return outcomes

    @contextmanager
    def _noting_breaks(self) -> Iterator[None]:
        """Mark the store as broken if the disk fails.

        Raises:
            StoreBrokenError: the disk failed.
        """
        try:
            yield
        except StoreBrokenError:
            self._is_broken = True
            raise
        except OperationalError as exc:
            if not is_broken(exc.orig):
                raise
            self._is_broken = True
            raise StoreBrokenError(f"the disk failed during a commit: {exc.orig}") from exc

    def get_session(self, session_id: str) -> Session:
        with self._read() as connection:
            return get_session(connection, session_id)

    def get_status(self, session_id: str) -> Status:
        with self._read() as connection:
            return get_status(connection, session_id)

    def get_result(self, session_id: str) -> str:
        with self._read() as connection:
            return get_result(connection, session_id)

    def list_sessions(
        self,
        where: SessionFilter,
        *,
        limit: int,
        sort: SessionSort = SessionSort.CREATED,
        order: Order | None = None,
        after: Mark | None = None,
    ) -> SessionPage:
        with self._listing(where) as (connection, where):
            return list_sessions(
                connection, where, limit=limit, sort=sort, order=order, after=after
            )

    def count_sessions(self, where: SessionFilter) -> int:
        with self._listing(where) as (connection, where):
            return count_sessions(connection, where)

    def list_events(self, session_id: str, where: EventFilter, *, limit: int) -> EventPage:
        with self._read() as connection:
            return list_events(connection, session_id, where, limit=limit)

    def get_outline(self, session_id: str, after_seq: int) -> OutlinePage:
        with self._read() as connection:
            return get_outline(connection, session_id, after_seq)

    def list_questions(
        self, where: QuestionFilter, *, limit: int, after: Mark | None = None
    ) -> QuestionPage:
        with self._read() as connection:
            return list_questions(connection, where, limit=limit, after=after)

    def list_runs(self, session_id: str) -> list[Run]:
        with self._read() as connection:
            return list_runs(connection, session_id)

    def list_requests(
        self, session_id: str, run: int, *, state: RequestState | None = None
    ) -> list[Request]:
        with self._read() as connection:
            return list_requests(connection, session_id, run, state=state)

    def has_silent(self, silent_since: datetime, in_call_since: datetime) -> bool:
        with self._read() as connection:
            return has_silent(connection, silent_since, in_call_since)

    def next_expiry(self) -> datetime | None:
        with self._read() as connection:
            return next_expiry(connection)

    def free_some(self, pages: int) -> Space:
        if self._database.path is None:
            raise VacuumNotPossibleError("PostgreSQL frees space automatically: see its VACUUM")
        try:
            with self._database.writing.connect() as connection:
                raw: Any = connection.connection.driver_connection
                return free_some(raw, pages)
        except sqlite3.DatabaseError as exc:
            raise StoreUnavailableError(f"the database cannot do this now: {exc}") from exc

    @contextmanager
    def _listing(self, where: SessionFilter) -> Iterator[tuple[Connection, SessionFilter]]:
        """Yield a connection, and the filter for it."""
        found = None if where.text is None else self.search.narrow(where.text, MOST)
        with self._read() as connection:
            yield connection, where if found is None else narrowed(connection, where, found)

    def _read(self) -> AbstractContextManager[Connection]:
        return connected(self._database.reading)
