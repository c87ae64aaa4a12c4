"""Checksums of events: by them a bit is seen that the disk changed inside a row.

CRC-32 of all that makes up the event and of the session that it belongs to, by the session's id
and not by an internal number: an event keeps its checksum wherever its record is brought.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

DAMAGED = "damaged"
"""The type of what stands in the place of an event that is not what was stored."""
DAMAGED_TEXT = "this event was damaged on the disk, and is not shown"

# What `event_checksum` takes, put together as it does: as bytes, whatever the disk made of them.
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
    """One that is not what its checksum says."""

    number: int
    session_id: str
    seq: int

    def __str__(self) -> str:
        return f"session {self.session_id!r}: its event {self.seq} is not what was stored"


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
    """`fields` as they are stored, in UTF-8; `late` is 0 or 1."""
    rest = f"{session_id}\0{seq}\0{event_id or ''}\0{run}\0{late}\0{event_type}\0{recorded_at}\0"
    return crc32(fields, crc32(rest.encode()))


def damaged_events(
    connection: sqlite3.Connection, *, max_bytes: int | None = None
) -> Iterator[DamagedEvent]:
    """Find events that were changed behind our back, the newest first.

    With `max_bytes` it ends once it has read so much of them. Rows of a schema that has no
    checksums, and of before there were any, are not looked at.
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
