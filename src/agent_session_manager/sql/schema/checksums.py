"""Checksums of events: they detect bits that the disk changed inside a row.

A checksum is the CRC-32 of all columns of the event and of its session id. It does not contain
internal numbers, so an event keeps its checksum in another database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

DAMAGED = "damaged"
"""Event type of the placeholder for a damaged event."""
DAMAGED_TEXT = "this event was damaged on the disk, and is not shown"

# The same bytes that `event_checksum` takes. BLOB, because damaged text may not be valid UTF-8.
_ROWS = """
    SELECT session_id, seq, events.number, checksum,
        CAST(session_id || char(0) || seq || char(0) || coalesce(event_id, '') || char(0) || run
            || char(0) || late || char(0) || event_type || char(0) || recorded_at || char(0)
            AS BLOB),
        coalesce(CAST(fields AS BLOB), x'')
    FROM events JOIN sessions ON sessions.number = events.session_number
    WHERE checksum IS NOT NULL ORDER BY events.number DESC
"""
_COLUMN = "SELECT 1 FROM pragma_table_info('events') WHERE name = 'checksum'"


@dataclass(frozen=True, kw_only=True)
class DamagedEvent:
    """An event that does not match its checksum."""

    number: int
    session_id: str
    seq: int

    def __str__(self) -> str:
        return f"session {self.session_id!r}: event {self.seq} does not match its checksum"


def event_checksum(  # noqa: PLR0913  # a parameter for each column
    session_id: str,
    seq: int,
    event_id: str | None,
    run: int,
    late: int,
    event_type: str,
    recorded_at: int,
    fields: bytes,
) -> int:
    """Return the checksum of an event. `fields` is the stored text in UTF-8; `late` is 0 or 1."""
    rest = f"{session_id}\0{seq}\0{event_id or ''}\0{run}\0{late}\0{event_type}\0{recorded_at}\0"
    return crc32(fields, crc32(rest.encode()))


def damaged_events(
    connection: sqlite3.Connection, *, max_bytes: int | None = None
) -> Iterator[DamagedEvent]:
    """Yield the events that do not match their checksum, newest first.

    With `max_bytes`, reading stops after that many bytes of event fields. Events without a
    checksum are skipped: those of an earlier schema, and those stored before checksums existed.
    """
    if connection.execute(_COLUMN).fetchone() is None:
        return
    read = 0
    for session_id, seq, number, checksum, rest, fields in connection.execute(_ROWS):
        if crc32(fields, crc32(rest)) != checksum:
            yield DamagedEvent(number=number, session_id=session_id, seq=seq)
        read += len(fields)
        if max_bytes is not None and read > max_bytes:
            return
