"""The store in SQL, once for both databases. Promises: `store/protocol.py`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, func, select
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError

from agent_session_manager.domain.errors import (
    DiskFullError,
    EventDamagedError,
    NoResultError,
    SessionNotFinishedError,
    SessionNotFoundError,
    StoreUnavailableError,
    VacuumNotPossibleError,
)
from agent_session_manager.domain.event import Event, joined_text
from agent_session_manager.domain.request import Request, RequestState
from agent_session_manager.domain.session import DEFAULT_LEASE_SECONDS, Run, Session, Status
from agent_session_manager.sql.care.safeguards import Safeguards, open_safeguards
from agent_session_manager.sql.care.vacuum import free_some
from agent_session_manager.sql.care.verify import refuse_damaged
from agent_session_manager.sql.database.database import Database
from agent_session_manager.sql.database.errors import is_broken, refusal_of
from agent_session_manager.sql.database.open import open_database
from agent_session_manager.sql.migrate import migrate
from agent_session_manager.sql.read.descendants import to_session
from agent_session_manager.sql.read.families import SqlRunTokens
from agent_session_manager.sql.read.feeds import SqlFeeds
from agent_session_manager.sql.read.retention import SqlRetention
from agent_session_manager.sql.read.sessions import list_sessions
from agent_session_manager.sql.read.statistics import SqlStatistics
from agent_session_manager.sql.read.transcripts import SqlTranscripts
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import events, requests, runs, sessions
from agent_session_manager.sql.write.transaction import Transaction
from agent_session_manager.store.change import Change, changed_sessions
from agent_session_manager.store.changes import DeleteSession
from agent_session_manager.store.errors import StoreBrokenError
from agent_session_manager.store.protocol import Notice
from agent_session_manager.store.queries import (
    EventFilter,
    EventPage,
    Mark,
    SessionFilter,
    SessionPage,
    SessionSort,
)
from agent_session_manager.store.space import Space
from agent_session_manager.store.transcripts import DeleteTranscript

Clock = Callable[[], datetime]

PAGE_BYTES = 8 * 1024 * 1024
"""What the events of one page hold at most, give or take the last of them."""
_ROWS_AT_ONCE = 25
_ERROR = '"error":'

_SESSION = rows.WHOLE_SESSIONS.where(sessions.c.session_id == bindparam("session_id"))
_STATUS = select(sessions.c.status).where(sessions.c.session_id == bindparam("session_id"))
_NUMBER = select(sessions.c.number).where(sessions.c.session_id == bindparam("session_id"))
_NEXT_EXPIRY = select(func.min(runs.c.lease_expires_at)).where(runs.c.lease_expires_at.is_not(None))
_ANSWER = (
    select(sessions.c.status, events)
    .join_from(sessions, runs, rows.WITH_NEWEST_RUN)
    .outerjoin(
        events,
        and_(events.c.session_number == sessions.c.number, events.c.seq == runs.c.answer_seq),
    )
    .where(sessions.c.session_id == bindparam("session_id"))
)
_FIRST_PART = (
    select(events.c.seq)
    .where(
        events.c.session_number == bindparam("number"), events.c.event_id == bindparam("first_id")
    )
    .scalar_subquery()
)
_PARTS = (
    select(events)
    .where(
        events.c.session_number == bindparam("number"),
        events.c.seq.between(_FIRST_PART, bindparam("last")),
        events.c.run == bindparam("run"),
        events.c.event_type == "message",
    )
    .order_by(events.c.seq)
)


def open_store(
    url: str,
    *,
    clock: Clock,
    lease_seconds: float = DEFAULT_LEASE_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
) -> SqlStore:
    """Open the database at `url` and bring it to the schema of this version.

    Raises:
        DatabaseError: it cannot be opened, or not by this version, or is damaged.
    """
    database = open_database(url)
    try:
        refuse_damaged(database)
        migrate(database)
        safeguards = open_safeguards(database, monotonic)
    except BaseException:
        database.close()
        raise
    return SqlStore(database, safeguards, clock=clock, lease_seconds=lease_seconds)


class SqlStore:
    """Sessions, runs and events in SQLite or PostgreSQL. Owns the database it is given."""

    def __init__(
        self,
        database: Database,
        safeguards: Safeguards | None,
        *,
        clock: Clock,
        lease_seconds: float,
    ) -> None:
        self._database = database
        self._safeguards = safeguards
        self._is_broken = False
        self._clock = clock
        self._term = int(lease_seconds * 1_000_000)
        self.transcripts = SqlTranscripts(self._read)
        self.feeds = SqlFeeds(self._read)
        self.retention = SqlRetention(self._read)
        self.statistics = SqlStatistics(self._read)
        self.run_tokens = SqlRunTokens(self._read)

    @property
    def url(self) -> str:
        return self._database.shown_url

    def watch(self, notice: Notice) -> None:
        self._database.watch(notice)

    def close(self) -> None:
        """Give everything back; one whose disk failed is left to the end of the process as it is.

        To close it would bring into the database what may be on no disk.
        """
        if self._is_broken:
            return
        if self._safeguards is not None:
            self._safeguards.close()
        self._database.close()

    def rest(self) -> None:
        if self._safeguards is not None:
            with self._noting_breaks():
                self._safeguards.rest()

    def commit(self, changes: Sequence[Change[Any]]) -> list[Any]:
        """Make all changes in one transaction; see the promises for what may be refused.

        A change that the database itself does not take fails the transaction; then each is tried
        in one of its own, so that its neighbours do not fail with it.
        """
        try:
            return self._transact(changes)
        except OperationalError as exc:  # the database, not a change
            refused = refusal_of(exc)
            if isinstance(refused, DiskFullError):
                return self._delete_at_least(changes, refused)
            return [refused] * len(changes)
        except SQLAlchemyError as exc:
            if len(changes) > 1:
                return [self.commit([change])[0] for change in changes]
            return [self._second_try(changes[0], exc)]

    def _delete_at_least(self, changes: Sequence[Change[Any]], full: DiskFullError) -> list[Any]:
        """On a full disk, make the changes that free some of it."""
        outcomes: list[Any] = [full] * len(changes)
        deleting = [
            (place, change)
            for place, change in enumerate(changes)
            if isinstance(change, DeleteSession | DeleteTranscript)
        ]
        if deleting and self._make_room():
            deleted = self.commit([change for _, change in deleting])
            for (place, _), outcome in zip(deleting, deleted, strict=True):
                outcomes[place] = outcome
        return outcomes

    def _make_room(self) -> bool:
        with self._noting_breaks():
            return self._safeguards is not None and self._safeguards.make_room()

    def _second_try(self, change: Change[Any], first: SQLAlchemyError) -> Any:
        """Meet a competitor on the same database again, now that what it did can be seen."""
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
                outcomes = Transaction(connection, now=now, term=self._term).make(changes)
                self._database.notify(connection, changed_sessions(changes, outcomes))
                reached = None if self._safeguards is None else self._safeguards.count(connection)
            if self._safeguards is not None and reached is not None:
                self._safeguards.committed(reached)
            return outcomes

    @contextmanager
    def _noting_breaks(self) -> Iterator[None]:
        """Let go of a database whose disk failed.

        Raises:
            StoreBrokenError: it did.
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
            raise StoreBrokenError(f"the disk failed under a commit: {exc.orig}") from exc

    def get_session(self, session_id: str) -> Session:
        with self._read() as connection:
            return to_session(connection, _one(connection, _SESSION, session_id))

    def get_status(self, session_id: str) -> Status:
        with self._read() as connection:
            status = connection.scalar(_STATUS, {"session_id": session_id})
        if status is None:
            return "not_existent"
        return "running" if status == "running" else "finished"  # also of one that is damaged

    def get_result(self, session_id: str) -> str:
        with self._read() as connection:
            answer = _one(connection, _ANSWER, session_id)
            if answer.status == "running":
                raise SessionNotFinishedError(session_id)
            if answer.fields is None:
                raise NoResultError(session_id)
            last = _fields_of(answer, session_id)
            first_id = last.get("continues")
            if not isinstance(first_id, str):
                return joined_text(last)
            keys = {"number": answer.session_number, "run": answer.run, "last": answer.seq}
            texts = [
                joined_text(fields)
                for row in connection.execute(_PARTS, {**keys, "first_id": first_id})
                if (fields := _fields_of(row, session_id)).get("continues") == first_id
                or row.event_id == first_id
            ]
        return "".join(texts) or joined_text(last)

    def list_sessions(
        self,
        where: SessionFilter,
        *,
        limit: int,
        sort: SessionSort = SessionSort.CREATED,
        after: Mark | None = None,
    ) -> SessionPage:
        with self._read() as connection:
            return list_sessions(connection, where, limit=limit, sort=sort, after=after)

    def list_events(self, session_id: str, where: EventFilter, *, limit: int) -> EventPage:
        """Read a page: at most `limit` events, and fewer once it holds `PAGE_BYTES`."""
        query = select(events)
        if where.has_error:
            # As the text may stand anywhere in an event, those that hold it are looked into.
            query = query.where(events.c.fields.contains(_ERROR, autoescape=True))
        else:
            query = query.limit(limit + 1)
        if where.before_seq is not None:
            query = query.where(events.c.seq < where.before_seq).order_by(events.c.seq.desc())
        else:
            query = query.where(events.c.seq > (where.after_seq or 0)).order_by(events.c.seq)
        if where.event_type is not None:
            query = query.where(events.c.event_type == where.event_type)
        if where.run is not None:
            query = query.where(events.c.run == where.run)
        page: list[Event] = []
        size = 0
        with self._read() as connection:
            number = _one(connection, _NUMBER, session_id).number
            streaming = connection.execution_options(yield_per=_ROWS_AT_ONCE)
            with streaming.execute(query.where(events.c.session_number == number)) as found:
                for row in found:
                    event = rows.to_event(row, session_id)
                    if where.has_error and event.fields.get("error") is None:
                        continue
                    if len(page) == limit or size >= PAGE_BYTES:
                        return EventPage(events=page, has_more=True)
                    page.append(event)
                    size += event.size
        return EventPage(events=page, has_more=False)

    def list_runs(self, session_id: str) -> list[Run]:
        query = select(runs).order_by(runs.c.run)
        with self._read() as connection:
            number = _one(connection, _NUMBER, session_id).number
            found = connection.execute(query.where(runs.c.session_number == number)).all()
        return [rows.to_run(row) for row in found]

    def list_requests(
        self, session_id: str, run: int, *, state: RequestState | None = None
    ) -> list[Request]:
        """List the requests to a run, in the order in which they were made."""
        query = select(requests).where(requests.c.run == run).order_by(requests.c.number)
        if state is not None:
            query = query.where(requests.c.state == state.value)
        with self._read() as connection:
            number = _one(connection, _NUMBER, session_id).number
            found = connection.execute(query.where(requests.c.session_number == number)).all()
        return [rows.to_request(row) for row in found]

    def next_expiry(self) -> datetime | None:
        """When the first of all leases expires; None while there are none."""
        with self._read() as connection:
            moment = connection.scalar(_NEXT_EXPIRY)
        return None if moment is None else rows.to_nearest_moment(moment)

    def free_some(self, pages: int) -> Space:
        if self._database.path is None:
            raise VacuumNotPossibleError("PostgreSQL gives space back by itself: see its VACUUM")
        try:
            with self._database.writing.connect() as connection:
                raw: Any = connection.connection.driver_connection
                return free_some(raw, pages)
        except sqlite3.DatabaseError as exc:
            raise StoreUnavailableError(f"the database cannot do this now: {exc}") from exc

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        try:
            with self._database.reading.connect() as connection:
                yield connection
        except SQLAlchemyError as exc:
            raise refusal_of(exc) from exc


def _one(connection: Connection, query: Select[Any], session_id: str) -> Row[Any]:
    found = connection.execute(query, {"session_id": session_id}).one_or_none()
    if found is None:
        raise SessionNotFoundError(session_id)
    return found


def _fields_of(row: Row[Any], session_id: str) -> dict[str, Any]:
    with suppress(ValueError, TypeError, KeyError):
        if rows.is_whole(row, session_id):
            fields = rows.parse_fields(row.fields)
            joined_text(fields)  # which is what it is read for
            return fields
    raise EventDamagedError(session_id, row.seq)
