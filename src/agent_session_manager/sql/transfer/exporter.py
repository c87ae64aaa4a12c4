"""Export of the whole record as JSON lines: one consistent view, written as a stream."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, BinaryIO

import orjson
from sqlalchemy import Connection, Row, Select, func, select, text
from sqlalchemy.exc import DBAPIError

from agent_session_manager.sql.care.readonly import reading_one_moment
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.migrations.revisions import known_revisions
from agent_session_manager.sql.schema.tables import (
    events,
    feed,
    notices,
    requests,
    runs,
    sessions,
    transcript_entries,
    transcript_summaries,
    transcripts,
    usage_facts,
)
from agent_session_manager.sql.transfer.format import header_line, trailer_line
from agent_session_manager.sql.transfer.kinds import (
    ENTRY,
    EVENT,
    KINDS,
    NOTICE,
    REQUEST,
    RUN,
    SESSION,
    SUMMARY,
    TRANSCRIPT,
    USAGE_FACT,
    Kind,
)

Progress = Callable[[int, int], None]
"""Called with the number of written lines, and the approximate total."""

_ROWS_AT_ONCE = 500
_BY_SESSION = (usage_facts.c.session_number, usage_facts.c.number)
_TOLD_EVERY = 1000


def export(
    url: str,
    to: BinaryIO,
    *,
    now: int,
    session_ids: Sequence[str] = (),
    progress: Progress = lambda _done, _total: None,
) -> dict[str, int]:
    """Write everything, or some sessions with their transcripts; return the count of each kind.

    Raises:
        DatabaseError: the database cannot be read, or a session does not exist. The written part
            is not a valid export.
        OSError: the export cannot be written.
    """
    with reading_one_moment(url) as connection:
        try:
            exporting = _Exporting(connection, to, session_ids, progress)
            return exporting.run(now)
        except DBAPIError as exc:
            raise DatabaseError(f"cannot read the database: {exc.orig}") from exc
        except orjson.JSONDecodeError as exc:
            raise DatabaseError(
                f"the database is damaged: a row is not valid JSON ({exc}). "
                "To list all problems: agent-session-manager verify"
            ) from exc


class _Exporting:
    """One export. It reads each table as a stream in the same order, and merges the streams."""

    def __init__(
        self,
        connection: Connection,
        to: BinaryIO,
        session_ids: Sequence[str],
        progress: Progress,
    ) -> None:
        self._connection = connection.execution_options(yield_per=_ROWS_AT_ONCE)
        self._to = to
        self._session_ids = session_ids
        self._progress = progress
        self._digest = hashlib.sha256()
        self._counts = {kind.counted: 0 for kind in KINDS.values()}
        self._open = ExitStack()
        """The open results; they are closed before the connection."""
        self._done = 0
        self._total = 0

    def run(self, now: int) -> dict[str, int]:
        self._check_revision()
        self._check_sessions()
        generation = self._connection.scalar(select(feed.c.generation))
        is_whole = not self._session_ids
        header = header_line(exported_at=now, generation=str(generation), is_whole=is_whole)
        self._to.write(header)
        self._total = self._count()
        with self._open:
            self._write_sessions()
            self._write_transcripts()
        self._to.write(trailer_line(self._counts, self._digest.hexdigest()))
        self._progress(self._total, self._total)
        return self._counts

    def _check_revision(self) -> None:
        newest = known_revisions()[-1]
        try:
            found = self._connection.scalar(text("SELECT max(version_num) FROM alembic_version"))
        except DBAPIError as exc:
            raise DatabaseError("this is not a database of agent-session-manager") from exc
        if found != newest:
            raise DatabaseError(
                f"the database has the schema {found!r}, but this version exports {newest!r}: "
                "serve the database once with this version to migrate it"
            )

    def _check_sessions(self) -> None:
        wanted = set(self._session_ids)
        query = select(sessions.c.session_id).where(sessions.c.session_id.in_(wanted))
        missing = wanted - set(self._connection.scalars(query)) if wanted else wanted
        if missing:
            raise DatabaseError(f"there is no session {', '.join(map(repr, sorted(missing)))}")

    def _count(self) -> int:
        """Return the approximate number of lines, for the progress."""
        if self._session_ids:
            query = select(func.sum(sessions.c.last_seq))
            return int(self._connection.scalar(self._only(query)) or 0)
        counted = (select(func.count()).select_from(kind.table) for kind in KINDS.values())
        return sum(int(self._connection.scalar(query) or 0) for query in counted)

    def _write_sessions(self) -> None:
        queries = (
            (RUN, select(runs).order_by(runs.c.session_number, runs.c.run)),
            (REQUEST, select(requests).order_by(requests.c.session_number, requests.c.number)),
            (NOTICE, select(notices).order_by(notices.c.session_number, notices.c.number)),
            (EVENT, select(events).order_by(events.c.session_number, events.c.seq)),
            (USAGE_FACT, select(usage_facts).order_by(*_BY_SESSION)),
        )
        own = [
            (kind, _Stream(self._rows(self._of_sessions(kind, query)), "session_number"))
            for kind, query in queries
        ]
        query = self._only(select(sessions).order_by(sessions.c.number))
        for session in self._rows(query):
            self._write(SESSION, session)
            for kind, stream in own:
                for row in stream.take(session.number):
                    self._write(kind, row)

    def _write_transcripts(self) -> None:
        of_entry, of_summary = transcript_entries.c, transcript_summaries.c
        queries = (
            (
                ENTRY,
                select(transcript_entries).order_by(of_entry.transcript_number, of_entry.position),
            ),
            (SUMMARY, select(transcript_summaries).order_by(of_summary.transcript_number)),
        )
        own = [
            (kind, _Stream(self._rows(self._of_transcripts(kind, query)), "transcript_number"))
            for kind, query in queries
        ]
        query = select(transcripts).order_by(transcripts.c.number)
        if self._session_ids:
            query = query.where(transcripts.c.session_id.in_(self._session_ids))
        for transcript in self._rows(query):
            self._write(TRANSCRIPT, transcript)
            for kind, stream in own:
                for row in stream.take(transcript.number):
                    self._write(kind, row)

    def _only(self, query: Select[Any]) -> Select[Any]:
        if not self._session_ids:
            return query
        return query.where(sessions.c.session_id.in_(self._session_ids))

    def _of_sessions(self, kind: Kind, query: Select[Any]) -> Select[Any]:
        if not self._session_ids:
            return query
        numbers = select(sessions.c.number).where(sessions.c.session_id.in_(self._session_ids))
        return query.where(kind.table.c.session_number.in_(numbers))

    def _of_transcripts(self, kind: Kind, query: Select[Any]) -> Select[Any]:
        if not self._session_ids:
            return query
        is_wanted = transcripts.c.session_id.in_(self._session_ids)
        numbers = select(transcripts.c.number).where(is_wanted)
        return query.where(kind.table.c.transcript_number.in_(numbers))

    def _rows(self, query: Select[Any]) -> Iterator[Row[Any]]:
        return iter(self._open.enter_context(self._connection.execute(query)))

    def _write(self, kind: Kind, row: Row[Any]) -> None:
        line = kind.to_line(row)
        self._digest.update(line)
        self._to.write(line)
        self._counts[kind.counted] += 1
        self._done += 1
        if self._done % _TOLD_EVERY == 0:
            self._progress(self._done, self._total)


class _Stream:
    """Rows sorted by an owner's number, which `take` yields for one owner at a time."""

    def __init__(self, rows: Iterator[Row[Any]], column: str) -> None:
        self._rows = rows
        self._column = column
        self._next = next(rows, None)

    def take(self, number: int) -> Iterator[Row[Any]]:
        while self._next is not None and getattr(self._next, self._column) == number:
            yield self._next
            self._next = next(self._rows, None)
