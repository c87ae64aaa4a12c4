"""Transcripts: the agent's own record of a session, line by line, for exact resume.

A line is one opaque JSON text, which is returned exactly as it was sent. Only its `uuid` is read,
to recognize a line that is sent again.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent_session_manager.domain.errors import InvalidEntryError

MAX_KEY_BYTES = 1000
"""Maximum size of a project key and of a subpath.

Both are in one index key, which has at most 2,704 bytes on PostgreSQL.
"""
MAX_ENTRIES_PER_APPEND = 10_000

_PLAIN_UUID = re.compile(r"[A-Za-z0-9-]{1,100}")


@dataclass(frozen=True, kw_only=True)
class TranscriptKey:
    """Key of a transcript: a session's main transcript, or with a subpath a subagent's."""

    project_key: str
    session_id: str
    subpath: str | None = None


@dataclass(frozen=True, kw_only=True)
class NewEntry:
    """A line to append. Two lines with the same `entry_id` are the same line."""

    line: str
    entry_id: str | None


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """A transcript. Its entries have the positions 1 to `last_position`, without gaps."""

    key: TranscriptKey
    last_position: int
    updated_at: datetime
    """Each append sets a later millisecond, so that an outdated summary is recognized."""


@dataclass(frozen=True, kw_only=True)
class AppendedEntries:
    """Result of an append: the number of new entries, and the last position."""

    appended: int
    last_position: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A JSON text that a client made from the first `version` entries of a main transcript."""

    session_id: str
    version: int
    updated_at: datetime
    """The transcript's `updated_at`; earlier if the summary lacks entries."""
    text: str


def parse_entry(value: Any, line: str, *, index: int, batch_id: str | None) -> NewEntry:
    """Return the entry for a line and its parsed value.

    An entry without a `uuid` is recognized by its place in its batch, if the batch has an id.

    Raises:
        InvalidEntryError: the value is not an object.
    """
    if not isinstance(value, dict):
        raise InvalidEntryError("not an object", index=index)
    uuid = value.get("uuid")
    if isinstance(uuid, str):
        return NewEntry(line=line, entry_id=_entry_id(uuid))
    return NewEntry(line=line, entry_id=None if batch_id is None else f"batch:{batch_id}:{index}")


def _entry_id(uuid: str) -> str:
    """Return an id that every database can store and index, different for each uuid."""
    if _PLAIN_UUID.fullmatch(uuid):
        return uuid
    return "sha256:" + hashlib.sha256(uuid.encode("utf-8", "surrogatepass")).hexdigest()
