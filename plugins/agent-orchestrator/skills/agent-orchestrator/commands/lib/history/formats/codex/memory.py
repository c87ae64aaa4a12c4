"""The state of a parser between two lines of a rollout."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any

MAX_OPEN_CALLS = 64
"""Calls that may wait for their output. Of more, the oldest lose their names."""

_TIMED_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
"""A UUID of version 7: it begins with the time in milliseconds."""
_TIME_CHARS = 13


@dataclass(kw_only=True)
class Memory:
    """Facts of earlier lines. All fields are JSON values, and none grows with the file."""

    thread: str | None = None
    turn: str | None = None
    """The newest turn with an id that has a time."""
    place: int = 0
    """Number of records since the turn began, of the types that have an event."""
    requests: int = 0
    """Number of counted requests without an id since the turn began."""
    lineage: str = "own"
    """`own`, `copied`, or `unsure` between the beginning of a fork and its first turn."""
    first_ordinal: int | None = None
    """The first ordinal after the copied part, if the fork names it."""
    has_copied_totals: bool = False
    """True if the first totals contain those of the thread that was forked."""
    model: str | None = None
    provider: str | None = None
    service_tier: str | None = None
    totals: dict[str, int] | None = None
    """The newest cumulative usage."""
    has_usage_records: bool = False
    """True after the first `token_usage_record`: cumulative usage is then ignored."""
    has_title: bool = False
    is_prompted: bool = False
    """True if the turn has a prompt."""
    is_compacted: bool = False
    """True if the history was compacted in this turn."""
    prompt: dict[str, Any] | None = None
    """A message that waits for the next record, which can have its id; with `is_inherited`."""
    calls: dict[str, list[str | None]] = field(default_factory=dict)
    """Name and error of each open tool call, by its id."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields, as they are now."""
        return asdict(self)

    def begin_turn(self, turn: str | None) -> None:
        """Note the turn to which the next records belong.

        A turn that began before the thread is a copy. Ordinals cannot tell that for a rollout which
        a newer Codex has converted.
        """
        if turn is None or not _TIMED_ID.fullmatch(turn):
            return
        if self.lineage != "own" and self.thread and _TIMED_ID.fullmatch(self.thread):
            is_older = turn[:_TIME_CHARS] < self.thread[:_TIME_CHARS]
            self.lineage = "copied" if is_older else "own"
        if self.turn is None or turn > self.turn:
            self.turn, self.place, self.requests = turn, 0, 0

    def is_copied(self, ordinal: int | None) -> bool:
        """Return whether a record is known to be copied from another thread."""
        return self.lineage == "copied" or (
            self.lineage == "unsure" and self._is_before(ordinal) is True
        )

    def is_own(self, ordinal: int | None) -> bool:
        """Return whether a record is known not to be copied."""
        return self.lineage == "own" or (
            self.lineage == "unsure" and self._is_before(ordinal) is False
        )

    def _is_before(self, ordinal: int | None) -> bool | None:
        """Return whether an ordinal is in the copied part, or None if that is unknown."""
        if self.first_ordinal is None or ordinal is None:
            return None
        return ordinal < self.first_ordinal

    def open_call(self, call_id: str, name: str) -> None:
        """Note a call that has no output yet."""
        self.calls[call_id] = [name, None]
        while len(self.calls) > MAX_OPEN_CALLS:
            del self.calls[next(iter(self.calls))]

    def note_failure(self, call_id: str | None, error: str) -> None:
        """Note that an open call failed, as its output does not always show it."""
        if call_id in self.calls:
            self.calls[call_id][1] = error

    def close_call(self, call_id: str) -> tuple[str | None, str | None]:
        """Forget a call, and return its name and its error."""
        name, error = self.calls.pop(call_id, [None, None])
        return name, error
