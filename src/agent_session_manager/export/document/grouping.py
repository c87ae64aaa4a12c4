"""Order of events in a document: each result, and each event of a subagent, with its call.

Events are held until their calls have ended. Their number and size are bounded: if too much is
held, all of it is written, and what belongs to these calls comes later in its own place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from agent_session_manager.export.document.options import Event, parent_of, string

MAX_HELD_BYTES = 4 * 1024 * 1024
MAX_HELD_EVENTS = 5_000
MAX_DEPTH = 8
"""Number of calls inside one another; deeper events are shown on this level."""


@dataclass
class Entry:
    """An event with those that belong to it."""

    event: Event | None
    """None: the call is not at hand, only events of its subagent."""
    depth: int = 0
    results: list[Event] = field(default_factory=list)
    """Results and denials of the call."""
    parts: list[Event] = field(default_factory=list)
    """Later parts of the message."""
    below: list[Entry] = field(default_factory=list)
    """Events of the call's subagent."""


class _Home(NamedTuple):
    """The place for the events of a subagent, or of the session itself."""

    entries: list[Entry]
    depth: int


class Grouping:
    """A sequence of events that becomes a sequence of entries."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._held: list[Entry] = []
        self._calls: dict[str, Entry] = {}
        self._homes: dict[str, _Home] = {}
        self._open: set[str] = set()
        self._bytes = 0
        self._events = 0

    def add(self, event: Event, size: int) -> Iterator[Entry]:
        """Take the next event; yield the entries that no later event belongs to."""
        if self._bytes + size > MAX_HELD_BYTES or self._events >= MAX_HELD_EVENTS:
            yield from self.rest()
        if not self._open and not self._belongs(event):
            yield from self.rest()
        self._bytes += size
        self._events += 1
        self._place(event)

    def rest(self) -> Iterator[Entry]:
        """Yield all entries that are held."""
        held = self._held
        self._begin()
        yield from held

    def _belongs(self, event: Event) -> bool:
        """Return whether an event belongs to an entry that is held."""
        own = string(event.get("tool_use_id")) if _is_result(event) else None
        is_of_call = own in self._calls or parent_of(event) in self._homes
        return is_of_call or _continues(self._held, event)

    def _place(self, event: Event) -> None:
        kind, call, of = event.get("event_type"), string(event.get("tool_use_id")), parent_of(event)
        home = _Home(self._held, 0) if of is None else self._home_of(of)
        if kind == "pre_tool" and call is not None and call not in self._calls:
            entry = self._calls[call] = _append(home, event)
            # Beyond the limit, the events below a call are beside it.
            is_deep = home.depth >= MAX_DEPTH
            self._homes.setdefault(call, home if is_deep else _Home(entry.below, home.depth + 1))
            self._open.add(call)
        elif _is_result(event) and call is not None and call in self._calls:
            self._calls[call].results.append(event)
            if kind == "post_tool":
                self._open.discard(call)
        else:
            _append(home, event)
        if of is not None and kind == "subagent_start":
            self._open.add(f"subagent {of}")
        elif of is not None and kind == "subagent_stop":
            self._open.discard(f"subagent {of}")

    def _home_of(self, call: str) -> _Home:
        if call not in self._homes:
            entry = Entry(None)
            self._held.append(entry)
            self._homes[call] = _Home(entry.below, 1)
        return self._homes[call]


def _append(home: _Home, event: Event) -> Entry:
    if _continues(home.entries, event):
        home.entries[-1].parts.append(event)
        return home.entries[-1]
    entry = Entry(event, home.depth)
    home.entries.append(entry)
    return entry


def _is_result(event: Event) -> bool:
    return event.get("event_type") in ("post_tool", "permission_denied")


def _continues(entries: list[Entry], event: Event) -> bool:
    """Return whether an event is a later part of the message in the last entry."""
    part_of = string(event.get("continues"))
    if part_of is None or not entries or entries[-1].event is None:
        return False
    first = entries[-1].event
    if first.get("event_type") != event.get("event_type"):
        return False
    is_of_parts = event.get("event_type") in ("message", "stderr")
    return is_of_parts and part_of in (first.get("event_id"), first.get("continues"))
