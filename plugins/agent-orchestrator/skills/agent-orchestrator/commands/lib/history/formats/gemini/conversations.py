"""Reads the records of a file into the conversations that they describe.

A record changes what earlier ones said: a message is written again under its id, `$set` replaces
metadata or messages, and `$rewindTo` takes messages back. So a file is read to its end first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...items import BrokenRecord, BrokenRecordError, UnknownRecord
from ..fields import (
    Fields,
    Json,
    fields_of,
    list_of,
    parse_json,
    required_id,
    required_session_id,
    unknown,
)

_TYPES = ("user", "gemini", "info", "error", "warning")


@dataclass(kw_only=True, slots=True)
class Conversation:
    """One session. Messages keep the order in which they were first written."""

    session_id: str
    metadata: dict[str, Any] = field(default_factory=dict)
    messages: dict[str, Fields] = field(default_factory=dict)
    rolled_back: set[str] = field(default_factory=set)
    """Ids of the messages that were taken back."""

    @property
    def is_subagent(self) -> bool:
        """A subagent's prompt is its first one. The agent writes the texts after it."""
        return self.metadata.get("kind") == "subagent"

    def write(self, message: Fields) -> None:
        """Add a message, or add its fields to the message with its id.

        Raises:
            BrokenRecordError: the message has no id.
        """
        message_id = required_id(message.get("id"), "the message id")
        if message_id in self.rolled_back:
            self.rolled_back.discard(message_id)
            del self.messages[message_id]
        self.messages[message_id] = {**self.messages.get(message_id, {}), **message}

    def rewind(self, message_id: Json) -> None:
        """Take back a message and those after it, or all messages if there is no such message."""
        ids = list(self.messages)
        start = ids.index(message_id) if message_id in ids else 0
        self.rolled_back.update(ids[start:])


class Reader:
    """Reads the records of one file."""

    def __init__(self) -> None:
        self.conversations: dict[str, Conversation] = {}
        self.problems: list[BrokenRecord | UnknownRecord] = []
        """The records that could not be read."""
        self._current: Conversation | None = None

    def read(self, lines: Iterable[tuple[str, bytes]]) -> None:
        """Read records, each with its place."""
        for place, line in lines:
            try:
                self._record(parse_json(line), place)
            except BrokenRecordError as error:
                # The last line may still be written.
                if line.endswith(b"\n"):
                    self._note(place, error)

    def document(self, document: Json) -> None:
        """Read a whole session, as older versions wrote it.

        Raises:
            BrokenRecordError: the document is not a session.
        """
        session = fields_of(document)
        self._open(session)
        self._set(session, "document")

    def _record(self, record: Json, place: str) -> None:
        if not isinstance(record, dict):
            raise BrokenRecordError("the record is not an object")
        if "$set" in record:
            self._set(fields_of(record["$set"]), place)
        elif "$rewindTo" in record:
            self._session.rewind(record["$rewindTo"])
        elif "type" in record:
            self._message(record)
        elif "sessionId" in record:
            self._open(record)
        else:
            self.problems.append(unknown("record", next(iter(record), "empty")))

    @property
    def _session(self) -> Conversation:
        if self._current is None:
            raise BrokenRecordError("no session begins before this record")
        return self._current

    def _open(self, metadata: Fields) -> None:
        session_id = required_session_id(metadata.get("sessionId"))
        if session_id not in self.conversations:
            self.conversations[session_id] = Conversation(session_id=session_id)
        self._current = self.conversations[session_id]
        self._current.metadata.update(metadata)

    def _set(self, metadata: Fields, place: str) -> None:
        if "sessionId" in metadata:
            self._open({"sessionId": metadata["sessionId"]})
        session = self._session
        session.metadata.update(
            {key: value for key, value in metadata.items() if key != "messages"}
        )
        # Messages that are missing in the new list were compressed. They stay in the history.
        for message in list_of(metadata.get("messages")):
            try:
                self._message(fields_of(message))
            except BrokenRecordError as error:
                self._note(place, error)

    def _message(self, message: Fields) -> None:
        if message.get("type") in _TYPES:
            self._session.write(message)
        else:
            self.problems.append(unknown("message", message.get("type")))

    def _note(self, place: str, error: BrokenRecordError) -> None:
        self.problems.append(BrokenRecord(place=place, reason=str(error)))


def read_file(path: Path) -> Reader:
    """Read a file.

    Raises:
        BrokenRecordError: the file is a document, but not a session.
        OSError: the file cannot be read.
    """
    reader = Reader()
    if path.suffix == ".jsonl":
        reader.read(_lines(path))
    else:
        reader.document(parse_json(path.read_bytes()))
    return reader


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield f"line {number}", line
