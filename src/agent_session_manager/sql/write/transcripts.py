"""Transcripts, as changes of one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from agent_session_manager.domain.errors import (
    RecordBehindError,
    TranscriptNotFoundError,
    VersionConflictError,
)
from agent_session_manager.domain.transcript import AppendedEntries, NewEntry
from agent_session_manager.sql.database.inserts import insert_rows
from agent_session_manager.sql.read.transcripts import columns_of, find_transcript
from agent_session_manager.sql.schema.tables import (
    transcript_entries,
    transcript_summaries,
    transcripts,
)
from agent_session_manager.store.transcripts import (
    AppendTranscript,
    DeleteTranscript,
    PutTranscriptSummary,
)

_IDS_AT_ONCE = 1000
_COLUMNS = ("transcript_number", "position", "entry_id", "size", "line")
_MILLISECOND = 1000

_KNOWN_IDS = select(transcript_entries.c.entry_id).where(
    transcript_entries.c.transcript_number == bindparam("number"),
    transcript_entries.c.entry_id.in_(bindparam("entry_ids", expanding=True)),
)


def append_transcript(
    connection: Connection, change: AppendTranscript, *, now: int
) -> AppendedEntries:
    """Append the entries that are new. A batch without new entries changes nothing."""
    found = find_transcript(connection, change.key)
    last = 0 if found is None else found.last_position
    if last < change.known:
        what = f"the transcript of {change.key.session_id!r}"
        raise RecordBehindError(what, str(change.known), str(last))
    known = set() if found is None else _known_ids(connection, found.number, change.entries)
    new = list(_without_known(change.entries, known))
    if not new:
        return AppendedEntries(appended=0, last_position=last)
    head = {"last_position": last + len(new), "updated_at": now}
    if found is None:
        inserted = connection.execute(insert(transcripts), {**columns_of(change.key), **head})
        assert inserted.inserted_primary_key is not None
        number = inserted.inserted_primary_key[0]
    else:
        number = found.number
        # Always a later millisecond, even if the clock was set back: see `Transcript.updated_at`.
        head["updated_at"] = max(now, found.updated_at + _MILLISECOND)
        connection.execute(update(transcripts).where(transcripts.c.number == number), head)
    rows = [
        (number, position, entry.entry_id, len(entry.line.encode()), entry.line)
        for position, entry in enumerate(new, start=last + 1)
    ]
    insert_rows(connection, transcript_entries.name, _COLUMNS, rows)
    return AppendedEntries(appended=len(new), last_position=last + len(new))


def put_summary(connection: Connection, change: PutTranscriptSummary) -> int:
    key = change.key
    found = find_transcript(connection, key)
    if found is None:
        raise TranscriptNotFoundError(key.project_key, key.session_id, key.subpath)
    mine = transcript_summaries.c.transcript_number == found.number
    version = connection.scalar(select(transcript_summaries.c.version).where(mine)) or 0
    if version != change.expected_version or change.version > found.last_position:
        raise VersionConflictError(key.session_id, change.expected_version, version)
    is_whole = change.version == found.last_position
    values = {
        "version": change.version,
        "updated_at": found.updated_at if is_whole else found.updated_at - _MILLISECOND,
        "summary": change.text,
    }
    if version:
        connection.execute(update(transcript_summaries).where(mine), values)
    else:
        connection.execute(
            insert(transcript_summaries), {"transcript_number": found.number, **values}
        )
    return change.version


def delete_transcript(connection: Connection, change: DeleteTranscript) -> int:
    key = change.key
    where = [
        transcripts.c.project_key == key.project_key,
        transcripts.c.session_id == key.session_id,
    ]
    if key.subpath is not None:
        where.append(transcripts.c.subpath == key.subpath)
    return _delete(connection, *where)


def delete_transcripts_of(connection: Connection, session_id: str) -> int:
    """Delete all transcripts of a session, under every project key."""
    return _delete(connection, transcripts.c.session_id == session_id)


def _delete(connection: Connection, *where: ColumnElement[bool]) -> int:
    numbers = connection.scalars(select(transcripts.c.number).where(*where)).all()
    for number in numbers:
        for table in (transcript_entries, transcript_summaries):
            connection.execute(delete(table).where(table.c.transcript_number == number))
        connection.execute(delete(transcripts).where(transcripts.c.number == number))
    return len(numbers)


def _known_ids(connection: Connection, number: int, entries: Sequence[NewEntry]) -> set[str]:
    """Return the ids of those entries that the transcript has already."""
    ids = [entry.entry_id for entry in entries if entry.entry_id is not None]
    known: set[str] = set()
    for start in range(0, len(ids), _IDS_AT_ONCE):
        some = {"number": number, "entry_ids": ids[start : start + _IDS_AT_ONCE]}
        known.update(connection.scalars(_KNOWN_IDS, some))
    return known


def _without_known(entries: Iterable[NewEntry], known: set[str]) -> Iterable[NewEntry]:
    """Yield the new entries, each once. Adds their ids to `known`."""
    for entry in entries:
        if entry.entry_id is not None:
            if entry.entry_id in known:
                continue
            known.add(entry.entry_id)
        yield entry
