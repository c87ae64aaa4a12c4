"""Reads the files in which opencode 1.0 and 1.1 kept sessions: one for each message and part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...items import BrokenRecord, BrokenRecordError, Item
from ..fields import Fields, fields_of, parse_json, required_id, required_session_id, session_id_of
from ..files import is_inside
from ..titles import prompt_title
from . import messages
from .answers import Conversation, milliseconds_of
from .messages import Message, Part, read_part
from .session import facts

PLACE = "storage"


def sessions(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the id and the file of each session below a root."""
    for path in sorted((root / PLACE / "session").glob("*/*.json")):
        if session_id_of(path.stem) and is_inside(path, root):
            yield path.stem, path


def stamp(path: Path, root: Path) -> str:
    """Return a text that changes when a file of the session changes.

    Raises:
        OSError: a file cannot be examined.
    """
    status = path.stat()
    number, newest = 0, status.st_mtime_ns
    for message in _files(root, "message", path.stem):
        parts = root / PLACE / "part" / message.stem
        number += 1
        newest = max(newest, message.stat().st_mtime_ns)
        if parts.is_dir():
            newest = max(newest, parts.stat().st_mtime_ns)
    return f"files:{number}:{newest}:{status.st_size}"


def read(path: Path, root: Path) -> Iterator[Item]:
    """Yield the items of a session.

    Raises:
        BrokenRecordError: the file of the session is not of this format.
        OSError: a file cannot be read.
    """
    row = _object(path)
    session_id = required_session_id(row.get("id"))
    created = fields_of(row.get("time")).get("created")
    found = facts(session_id, {**row, "parent_id": row.get("parentID")})
    yield found
    items = _messages(Conversation(session_id=session_id, created=created), root)
    yield from items if found.title else prompt_title(session_id, items)


def _messages(conversation: Conversation, root: Path) -> Iterator[Item]:
    found: list[Message] = []
    for path in _files(root, "message", conversation.session_id):
        try:
            message_id = required_id(path.stem, "the message id")
            found.append(Message(message_id=message_id, data=_object(path)))
        except BrokenRecordError as error:
            yield BrokenRecord(place=f"message {path.stem}", reason=str(error))
    found.sort(key=lambda message: (milliseconds_of(message.data), message.message_id))
    for message in messages.settled(found):
        yield from messages.translate(conversation, message, _parts(message.message_id, root))


def _parts(message_id: str, root: Path) -> Iterator[Part]:
    for path in _files(root, "part", message_id):
        yield read_part(path.stem, path.read_bytes())


def _files(root: Path, kind: str, name: str) -> list[Path]:
    directory = root / PLACE / kind / name
    return sorted(path for path in directory.glob("*.json") if is_inside(path, root))


def _object(path: Path) -> Fields:
    value = parse_json(path.read_bytes())
    if not isinstance(value, dict):
        raise BrokenRecordError("the file does not hold an object")
    return value
