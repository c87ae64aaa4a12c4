"""Reading transcripts in SQL, one page at a time, for both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, select

from agent_session_manager.domain.errors import TranscriptNotFoundError
from agent_session_manager.domain.transcript import Summary, Transcript, TranscriptKey
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import (
    transcript_entries,
    transcript_summaries,
    transcripts,
)
from agent_session_manager.store.transcripts import (
    EntryPage,
    SummaryPage,
    TranscriptFilter,
    TranscriptPage,
)

MAIN = ""
"""The stored subpath of a main transcript."""
PAGE_BYTES = 4 * 1024 * 1024
"""Maximum size of the lines in a page. A larger line is returned alone in a page."""

_SUMMARIES = select(
    transcripts.c.number,
    transcripts.c.session_id,
    transcript_summaries.c.version,
    transcript_summaries.c.updated_at,
    transcript_summaries.c.summary,
).join_from(transcripts, transcript_summaries)
_TRANSCRIPT = select(transcripts).where(
    transcripts.c.project_key == bindparam("project_key"),
    transcripts.c.session_id == bindparam("session_id"),
    transcripts.c.subpath == bindparam("subpath"),
)


class SqlTranscripts:
    """Reads through connections from `read`."""

    def __init__(self, read: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._read = read

    def list_entries(self, key: TranscriptKey, *, after: int, limit: int) -> EntryPage:
        """Read the entries after `after`: at most `limit` entries and `PAGE_BYTES`.

        The entries are measured before they are read, so that no large line is read in vain.
        """
        entries = transcript_entries.c
        with self._read() as connection:
            found = find_transcript(connection, key)
            if found is None:
                raise TranscriptNotFoundError(key.project_key, key.session_id, key.subpath)
            past = (entries.transcript_number == found.number) & (entries.position > after)
            sizes = select(entries.position, entries.size).where(past)
            measured = connection.execute(sizes.order_by(entries.position).limit(limit))
            last = _last_of_page((row.position, row.size) for row in measured)
            lines = select(entries.line).where(past, entries.position <= last)
            page = connection.scalars(lines.order_by(entries.position)).all()
        return EntryPage(
            lines=list(page),
            next_after=last if page and last < found.last_position else None,
            last_position=found.last_position,
        )

    def list_transcripts(
        self, where: TranscriptFilter, *, limit: int, after: int = 0
    ) -> TranscriptPage:
        page, next_page = self._page(select(transcripts), where, limit=limit, after=after)
        return TranscriptPage(
            transcripts=[_to_transcript(row) for row in page], next_page=next_page
        )

    def list_summaries(self, where: TranscriptFilter, *, limit: int, after: int = 0) -> SummaryPage:
        page, next_page = self._page(_SUMMARIES, where, limit=limit, after=after)
        return SummaryPage(summaries=[_to_summary(row) for row in page], next_page=next_page)

    def _page(
        self, query: Select[Any], where: TranscriptFilter, *, limit: int, after: int
    ) -> tuple[Sequence[Row[Any]], int | None]:
        query = query.where(
            transcripts.c.project_key == where.project_key, transcripts.c.number > after
        )
        if where.session_id is not None:
            query = query.where(transcripts.c.session_id == where.session_id)
        if where.is_main is not None:
            is_main = transcripts.c.subpath == MAIN
            query = query.where(is_main if where.is_main else ~is_main)
        if where.subpath is not None:
            query = query.where(transcripts.c.subpath == where.subpath)
        with self._read() as connection:
            found = connection.execute(query.order_by(transcripts.c.number).limit(limit + 1)).all()
        page = found[:limit]
        return page, page[-1].number if len(found) > limit else None


def find_transcript(connection: Connection, key: TranscriptKey) -> Row[Any] | None:
    return connection.execute(_TRANSCRIPT, columns_of(key)).one_or_none()


def columns_of(key: TranscriptKey) -> dict[str, str]:
    """Return the key columns of a transcript."""
    return {
        "project_key": key.project_key,
        "session_id": key.session_id,
        "subpath": key.subpath or MAIN,
    }


def _last_of_page(sizes: Iterable[tuple[int, int]]) -> int:
    """Return the last position that fits in a page; the first entry always does."""
    total = 0
    last = 0
    for position, size in sizes:
        total += size
        if last and total > PAGE_BYTES:
            break
        last = position
    return last


def _to_transcript(row: Row[Any]) -> Transcript:
    return Transcript(
        key=TranscriptKey(
            project_key=rows.readable_text(row.project_key),
            session_id=rows.readable_text(row.session_id),
            subpath=rows.readable_text(row.subpath) if row.subpath else None,
        ),
        last_position=row.last_position,
        updated_at=rows.to_nearest_moment(row.updated_at),
    )


def _to_summary(row: Row[Any]) -> Summary:
    return Summary(
        session_id=row.session_id,
        version=row.version,
        updated_at=rows.to_nearest_moment(row.updated_at),
        text=row.summary,
    )
