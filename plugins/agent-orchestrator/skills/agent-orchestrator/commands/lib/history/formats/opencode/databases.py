"""Reads opencode's databases: the tables of 1.x, those of 2.x, or both side by side."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ...items import BrokenRecord, BrokenRecordError, Item
from ..fields import Json, parse_json, required_id
from ..read_only import Row, columns, open_read_only
from ..titles import prompt_title
from . import messages, session_messages
from .answers import Conversation, is_complete, milliseconds_of
from .messages import Message, Part, read_part
from .session import facts

SESSION_TABLES = ("session_v2", "session")
"""The newest generation first. A session that stands in both is read from the first."""
_FIRST_OF_2X = f"""
SELECT min(time_created) AS first, count(*) AS number FROM session_message
WHERE session_id = ? AND type IN ({", ".join(map(repr, session_messages.CONVERSATION))})
"""
_CHANGES = {
    "session_v2": "SELECT id AS session_id, 'session_v2' AS kind, time_updated AS a, 0 AS b"
    " FROM session_v2",
    "session": "SELECT id, 'session', time_updated, 0 FROM session",
    "message": "SELECT session_id, 'message', count(*), max(time_updated) FROM message GROUP BY 1",
    # An index has the answer. opencode writes a message again after its last part.
    "part": "SELECT session_id, 'part', count(*), 0 FROM part GROUP BY 1",
    "session_message": "SELECT session_id, 'session_message', count(*), max(time_updated)"
    " FROM session_message GROUP BY 1",
}
"""The query of each table that contributes to the stamps of sessions."""


class Version(NamedTuple):
    """The newest state of a session in one database."""

    generation: int
    """2 for a session of 2.x."""
    updated: float
    stamp: str


def versions(path: Path) -> dict[str, Version]:
    """Return the sessions of a database by id.

    Raises:
        OSError: the database cannot be read now.
    """
    found: dict[str, dict[str, list[Json]]] = {}
    with open_read_only(path) as database:
        queries = [query for table, query in _CHANGES.items() if columns(database, table)]
        if not queries:
            return {}
        for row in database.execute(" UNION ALL ".join(queries)):
            session_id, kind, *change = row.values()
            found.setdefault(str(session_id), {})[kind] = change
    return {
        session_id: _version(changes)
        for session_id, changes in found.items()
        if changes.keys() & set(SESSION_TABLES)
    }


def _version(changes: dict[str, list[Json]]) -> Version:
    table = next(table for table in SESSION_TABLES if table in changes)
    updated = changes[table][0]
    return Version(
        generation=2 if table == "session_v2" else 1,
        updated=updated if isinstance(updated, int | float) else 0,
        stamp=" ".join(f"{kind}:{a}:{b}" for kind, (a, b) in sorted(changes.items())),
    )


def read(path: Path, session_id: str) -> Iterator[Item]:
    """Yield the items of a session.

    Raises:
        OSError: the database cannot be read now, or no longer has the session.
    """
    with open_read_only(path) as database:
        # The session is read as it is at one moment.
        database.execute("BEGIN")
        yield from _Session(database, path, session_id).items()


class _Session:
    """One session in an open database."""

    def __init__(self, database: sqlite3.Connection, path: Path, session_id: str) -> None:
        self._database = database
        self._path = path
        self._session_id = session_id
        self._columns = {
            table: columns(database, table)
            for table in (*SESSION_TABLES, "project", "message", "part", "session_message")
        }

    def items(self) -> Iterator[Item]:
        row = self._row()
        conversation = Conversation(session_id=self._session_id, created=row.get("time_created"))
        found = facts(self._session_id, row, self._worktree(row.get("project_id")))
        yield found
        items = self._messages(conversation)
        yield from items if found.title else prompt_title(self._session_id, items)

    def _row(self) -> Row:
        for table in SESSION_TABLES:
            if self._columns[table]:
                row: Row | None = self._select(f"{table} WHERE id = ?", self._session_id).fetchone()
                if row is not None:
                    return row
        raise FileNotFoundError(errno.ENOENT, "the session is gone", str(self._path))

    def _worktree(self, project_id: Json) -> Json:
        if "worktree" not in self._columns["project"]:
            return None
        rows = self._select("project WHERE id = ?", project_id)
        return next((row["worktree"] for row in rows), None)

    def _messages(self, conversation: Conversation) -> Iterator[Item]:
        first = self._first_of_2x()
        if self._columns["message"] and self._columns["part"]:
            old = list(self._old_messages())
            yield from (item for item in old if isinstance(item, BrokenRecord))
            readable = [item for item in old if isinstance(item, Message)]
            if first is None:
                readable = messages.settled(readable)
            else:
                # A session that 2.x continued: 2.x also has copies of the messages that it knows.
                readable = [
                    message for message in readable if milliseconds_of(message.data) < first
                ]
            for message in readable:
                yield from messages.translate(
                    conversation, message, self._parts(message.message_id)
                )
        if first is not None:
            yield from self._session_messages(conversation)

    def _first_of_2x(self) -> float | None:
        """Return the time of the first message of 2.x."""
        if not self._columns["session_message"]:
            return None
        row: Row = self._database.execute(_FIRST_OF_2X, (self._session_id,)).fetchone()
        first = row["first"]
        return (first if isinstance(first, int | float) else 0) if row["number"] else None

    def _old_messages(self) -> Iterator[Message | BrokenRecord]:
        rows = self._select(
            "message WHERE session_id = ? ORDER BY time_created, id", self._session_id
        )
        for row in rows:
            try:
                message_id, data = _record(row)
                yield Message(message_id=message_id, data=data)
            except BrokenRecordError as error:
                yield BrokenRecord(place=f"message {row.get('id')}", reason=str(error))

    def _parts(self, message_id: str) -> Iterator[Part]:
        for row in self._select("part WHERE message_id = ? ORDER BY id", message_id):
            yield read_part(str(row.get("id")), row.get("data") or "")

    def _session_messages(self, conversation: Conversation) -> Iterator[Item]:
        """Yield the items of the messages that no longer change."""
        end = self._unfinished()
        rows = self._select("session_message WHERE session_id = ? ORDER BY seq", self._session_id)
        for row in rows:
            if end is not None and row["id"] == end:
                return
            try:
                message_id, data = _record(row)
                yield from session_messages.translate(
                    conversation, message_id, row.get("type"), data
                )
            except BrokenRecordError as error:
                yield BrokenRecord(place=f"message {row.get('id')}", reason=str(error))

    def _unfinished(self) -> Json:
        """Return the id of the newest answer if it is not complete."""
        rows = self._select(
            "session_message WHERE session_id = ? AND type = 'assistant' ORDER BY seq DESC LIMIT 1",
            self._session_id,
        )
        for row in rows:
            try:
                return None if is_complete(_record(row)[1]) else row["id"]
            except BrokenRecordError:
                return None
        return None

    def _select(self, rest: str, value: Json) -> sqlite3.Cursor:
        return self._database.execute(f"SELECT * FROM {rest}", (value,))


def _record(row: Row) -> tuple[str, dict[str, Json]]:
    message_id = required_id(row.get("id"), "the message id")
    data = parse_json(row.get("data") or "")
    if not isinstance(data, dict):
        raise BrokenRecordError("the message is not an object")
    return message_id, data
