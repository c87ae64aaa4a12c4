"""Collects items into parts: the bodies of requests to the manager, one session each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from ....events.event import Event
from ....events.prepare import prepare, storable
from ....shared.masking import Masking
from ...items import (
    ForkPoint,
    FoundEvent,
    Item,
    ModelRequest,
    SessionFacts,
    Title,
    TitleRank,
    TurnEnd,
)

Json = dict[str, Any]

MAX_EVENTS = 500
MAX_REQUESTS = 500
MAX_BYTES = 2 * 1024 * 1024
"""Size of the collected records after which a part is sent. The manager takes twice as much."""
SMALL_BYTES = 64 * 1024
SMALL_DEPTH = 24
"""A record with fewer opening brackets is not deeper."""
MAX_NAME_CHARS = 200
MAX_PROMPT_CHARS = 80
MAX_WORD_CHARS = 24
"""A name ends before a word of at most this length, if it must be cut."""
_MAX_PATH_BYTES = 1500
_UNSTORABLE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


@dataclass
class Part:
    """A part of one session that was not sent yet."""

    session_id: str
    events: list[Event] = field(default_factory=list)
    requests: list[Json] = field(default_factory=list)
    facts: Json = field(default_factory=dict)
    copied: int = 0
    has_end: bool = False
    """True if its newest turn has ended."""
    holder: str | None = None
    """The process that works on its newest turn."""
    _told: dict[str, tuple[Json, bool]] = field(default_factory=dict)
    """The newest record of each request without its time, and whether it has one."""

    def add_request(self, request: Json) -> None:
        """Add a request, unless its newest record says the same: several lines report it."""
        key, moment = request["key"], request.pop("occurred_at", None)
        known, is_timed = self._told.get(key, (None, False))
        if known == request and (is_timed or moment is None):
            return  # the time of a request is that of its first record
        self._told[key] = (request, moment is not None)
        if moment is not None:
            request = {**request, "occurred_at": moment}
        self.requests.append({**request, "place": len(self.events)})

    @property
    def has_content(self) -> bool:
        return bool(self.events or self.requests or self.facts or self.has_end)


class Parts:
    """The parts of one source, by session, and the facts that each session has so far."""

    def __init__(self, reasons: Json | None = None) -> None:
        self._open: dict[str, Part] = {}
        self.size = 0
        """Size of the collected records."""
        self.reasons: dict[str, str | None] = dict(reasons or {})
        """The end of the newest turn of each session; None: it has not ended."""

    @property
    def is_full(self) -> bool:
        return self.size >= MAX_BYTES or any(
            len(part.events) >= MAX_EVENTS or len(part.requests) >= MAX_REQUESTS
            for part in self._open.values()
        )

    def take(self) -> list[Part]:
        """Return the parts with content, and begin new ones."""
        parts = [part for part in self._open.values() if part.has_content]
        self._open, self.size = {}, 0
        return parts

    def add(self, item: Item, *, raw: bytes | None = None) -> None:
        """Add an item. `raw` is the line of the item, if it was read from a line."""
        match item:
            case FoundEvent():
                self._add_event(item, raw)
            case ModelRequest():
                self._part(item.session_id).add_request(_request(item))
            case SessionFacts():
                self._part(item.session_id).facts.update(_facts(item))
            case TurnEnd():
                self.reasons[item.session_id] = item.reason
                self._part(item.session_id).has_end = True
            case _:
                pass

    def _part(self, session_id: str) -> Part:
        part = self._open.get(session_id)
        if part is None:
            part = self._open[session_id] = Part(session_id)
        return part

    def _add_event(self, found: FoundEvent, raw: bytes | None) -> None:
        part = self._part(found.session_id)
        event = found.event
        if found.is_inherited:
            event = {**event, "inherited": True}
            part.copied += 1
        elif is_prompt(event):
            self.reasons[found.session_id] = None
        if raw is None or not _is_plain(raw):
            event = prepare(event)
        part.events.append(event)
        self.size += len(raw) if raw is not None else len(orjson.dumps(event, default=str))


def is_prompt(event: Event) -> bool:
    """Return whether a person wrote an event, as a prompt to the agent itself."""
    return (
        event.get("event_type") == "message"
        and event.get("role") == "user"
        and event.get("origin") is None
        and event.get("parent_tool_use_id") is None
    )


def _is_plain(raw: bytes) -> bool:
    """Return whether the events of a line can be sent as they are.

    The line was parsed strictly. The manager masks credentials in them. It accepts no NUL, no deep
    value and no large event.
    """
    return (
        len(raw) <= SMALL_BYTES
        and raw.count(b"[") + raw.count(b"{") <= SMALL_DEPTH
        and not (b"\\u" in raw and _UNSTORABLE.search(raw))
    )


def _request(item: ModelRequest) -> Json:
    request: Json = {"key": storable(item.key), "counts": dict(item.counts)}
    for name in ("cost_nanodollars", "occurred_at", "model", "provider"):
        value = getattr(item, name)
        if value is not None:
            request[name] = _name(value) if isinstance(value, str) else value
    for name, value in item.details.items():
        request[name] = _name(value)
    if item.is_inherited:
        request["inherited"] = True
    return request


def _name(text: str) -> str:
    return storable(text[:MAX_NAME_CHARS])


def _facts(item: SessionFacts) -> Iterator[tuple[str, Any]]:
    if item.project_dir is not None:
        project_dir = storable(item.project_dir)
        if len(project_dir.encode()) <= _MAX_PATH_BYTES:
            yield "project_dir", project_dir
    if item.title is not None and (name := name_of(item.title)):
        yield "title", name
    if item.parent_session_id is not None:
        yield "parent_session_id", item.parent_session_id
    if item.forked_from is not None:
        yield "forked_from", _fork(item.forked_from)


def _fork(fork: ForkPoint) -> Json:
    event_id = None if fork.event_id is None else storable(fork.event_id)
    return {"session_id": fork.session_id, "event_id": event_id}


def name_of(title: Title) -> str:
    """Return a title as the name of a session: one line without invisible characters.

    Credentials are masked before the title is cut, so that no half of one remains.
    """
    masked = Masking().value(title.text)
    visible = "".join(
        " " if unicodedata.category(each) in _SPACES else each
        for each in str(masked)
        if unicodedata.category(each) not in _INVISIBLE
    )
    line = " ".join(visible.split())
    most = MAX_PROMPT_CHARS if title.rank is TitleRank.PROMPT else MAX_NAME_CHARS
    return line if len(line) <= most else _cut(line, most)


def _cut(line: str, most: int) -> str:
    """Return the beginning of a line, up to a word, with a mark. A long word is cut as well."""
    words = line[:most].rpartition(" ")[0]
    is_near = len(words) >= most - MAX_WORD_CHARS
    return (words if is_near else line[: most - 1]).rstrip(" ,;:.-–—") + "…"


_SPACES = frozenset({"Zs", "Zl", "Zp", "Cc"})
_INVISIBLE = frozenset({"Cf", "Cs", "Co", "Cn"})
