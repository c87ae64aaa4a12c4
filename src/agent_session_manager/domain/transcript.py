"""Transcripts: the agent's own record of a session, line by line, for exact resume.

A line is one JSON text. It is opaque: what comes back is the text that came in, and all that is
ever read of it is the `uuid` by which the same line is known again.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent_session_manager.domain.errors import InvalidEntryError

MAX_KEY_BYTES = 1000
"""Of a project key and of a subpath: one index holds both, of 2,704 bytes on PostgreSQL."""
MAX_ENTRIES_PER_APPEND = 10_000

_PLAIN_UUID = re.compile(r"[A-Za-z0-9-]{1,100}")


@dataclass(frozen=True, kw_only=True)
class TranscriptKey:
    """Names one transcript: the main one of a session, or with a subpath one of a subagent."""

    project_key: str
    session_id: str
    subpath: str | None = None


@dataclass(frozen=True, kw_only=True)
class NewEntry:
    """A line to append; two with one `entry_id` are the same line."""

    line: str
    entry_id: str | None


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """One transcript. Its entries have the positions 1 to `last_position`, without gaps."""

    key: TranscriptKey
    last_position: int
    updated_at: datetime
    """Never twice the same millisecond: a summary can be told to be older."""


@dataclass(frozen=True, kw_only=True)
class AppendedEntries:
    """What an append came to: how many entries were new, and the position of the last of all."""

    appended: int
    last_position: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a client made of the first `version` entries of a main transcript: a JSON text."""

    session_id: str
    version: int
    updated_at: datetime
    """That of its transcript, and earlier where entries were added that are not in it."""
    text: str


def parse_entry(value: Any, line: str, *, index: int, batch_id: str | None) -> NewEntry:
    """Make an entry of a line, whose value is given beside it.

    An entry without a `uuid` is known again by its place in its batch, where the batch has an id.

    Raises:
        InvalidEntryError: it is not an object.
    """
    if not isinstance(value, dict):
        raise InvalidEntryError("not an object", index=index)
    uuid = value.get("uuid")
    if isinstance(uuid, str):
        return NewEntry(line=line, entry_id=_entry_id(uuid))
    return NewEntry(line=line, entry_id=None if batch_id is None else f"batch:{batch_id}:{index}")


def _entry_id(uuid: str) -> str:
    """A text that every database can hold and index; no two uuids have the same."""
    if _PLAIN_UUID.fullmatch(uuid):
        return uuid
    return "sha256:" + hashlib.sha256(uuid.encode("utf-8", "surrogatepass")).hexdigest()
