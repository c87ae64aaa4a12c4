"""The outline of a session: its prompts, edits, failures, denials, subagents and ends of runs.

One rule derives it from the events: an event has one entry or none. An edit is named by the event
in which its call ended well, because a call that failed or was denied changed nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from agent_session_manager.domain.events.event import joined_text
from agent_session_manager.domain.events.file_changes import (
    FileChange,
    changes_of_diff,
    changes_of_input,
)
from agent_session_manager.domain.events.line import first_line

CALL_BEGUN, CALL_ENDED, CALL_DENIED = "pre_tool", "post_tool", "permission_denied"
_GISTS = ("command", "cmd", "file_path", "path", "pattern", "url", "description", "prompt")
_COMMANDS = ("command", "cmd")
_NO_FAILURE = frozenset({"retry", "session_stop"})


class OutlineKind(StrEnum):
    """The kind of an entry of an outline."""

    PROMPT = "prompt"
    """A prompt that a person wrote."""
    COMPACTION = "compaction"
    """The summary with which the agent continued after it compacted its context."""
    EDIT = "edit"
    """A tool call that changed files and ended well."""
    FAILURE = "failure"
    """An event with an error: a tool call that failed, or another failure."""
    DENIAL = "denial"
    SUBAGENT = "subagent"
    """The begin of a subagent."""
    RUN_END = "run_end"


@dataclass(frozen=True, kw_only=True, slots=True)
class OutlineEntry:
    """An event that the outline names."""

    seq: int
    kind: OutlineKind
    run: int
    text: str | None
    """One line: of the prompt, the call, the error, or the reason."""
    call_seq: int | None = None
    """The event that began the call, if it was found."""
    error: str | None = None
    """The first line of an error."""
    files: tuple[FileChange, ...] = ()
    """The files that the call changed, or wanted to change."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """The events of one subagent, without those of the subagents inside it."""

    run: int
    tool_use_id: str
    """The call that started it."""
    call_seq: int | None
    """The event that began this call, if it was found."""
    seqs: tuple[int, ...]


class BegunCall:
    """The begin of a tool call. What it says is read on demand: most calls have no entry."""

    def __init__(self, seq: int, fields: Mapping[str, Any]) -> None:
        self.seq = seq
        given = fields.get("tool_input")
        self._input: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
        self._tool = _text(fields.get("tool_name")) or ""

    @cached_property
    def files(self) -> tuple[FileChange, ...]:
        return tuple(changes_of_input(self._tool, self._input))

    @property
    def gist(self) -> str | None:
        texts = (_text(self._input.get(name)) for name in _GISTS)
        return next((first_line(text) for text in texts if text), None)

    @property
    def is_command(self) -> bool:
        """True if it runs a command, which can change files that nothing names."""
        return not self.files and any(_text(self._input.get(name)) for name in _COMMANDS)


CallKey = tuple[int, str]
"""The run and the id of a call: ids are unique only within a run."""


def call_key(run: int, fields: Mapping[str, Any]) -> CallKey | None:
    """Return the key of the call that an event is about."""
    found = fields.get("tool_use_id")
    return (run, found) if isinstance(found, str) else None


def outline_entry(
    seq: int, run: int, event_type: str, fields: Mapping[str, Any], begun: BegunCall | None
) -> OutlineEntry | None:
    """Return the entry of an event; `begun` is the begin of its call, if that is known."""
    error = _text(fields.get("error"))
    if event_type == "message" and fields.get("role") == "user" and error is None:
        return _message(seq, run, fields)
    if event_type == "subagent_start":
        words = (_text(fields.get(name)) for name in ("subagent_type", "description"))
        text = first_line(" · ".join(word for word in words if word))
        return OutlineEntry(seq=seq, kind=OutlineKind.SUBAGENT, run=run, text=text)
    if event_type == "session_stop":
        line = None if error is None else first_line(error)
        reason = _text(fields.get("reason"))
        return OutlineEntry(seq=seq, kind=OutlineKind.RUN_END, run=run, text=reason, error=line)
    if event_type == CALL_DENIED:
        return _call(OutlineKind.DENIAL, seq, run, fields, begun)
    if error is not None and event_type not in _NO_FAILURE:
        return _call(OutlineKind.FAILURE, seq, run, fields, begun)
    if event_type == CALL_ENDED and _files(fields, begun):
        return _call(OutlineKind.EDIT, seq, run, fields, begun)
    return None


def _message(seq: int, run: int, fields: Mapping[str, Any]) -> OutlineEntry | None:
    origin = fields.get("origin")
    if fields.get("parent_tool_use_id") is not None or isinstance(fields.get("continues"), str):
        return None
    if origin == "compaction":
        return OutlineEntry(seq=seq, kind=OutlineKind.COMPACTION, run=run, text=None)
    if origin is not None:
        return None
    text = first_line(joined_text(dict(fields)))
    return OutlineEntry(seq=seq, kind=OutlineKind.PROMPT, run=run, text=text)


def _call(
    kind: OutlineKind, seq: int, run: int, fields: Mapping[str, Any], begun: BegunCall | None
) -> OutlineEntry:
    error = _text(fields.get("error"))
    words = (_text(fields.get("tool_name")), None if begun is None else begun.gist)
    return OutlineEntry(
        seq=seq,
        kind=kind,
        run=run,
        text=first_line(" ".join(word for word in words if word)),
        call_seq=None if begun is None else begun.seq,
        error=None if error is None else first_line(error),
        files=_files(fields, begun),
    )


def _files(fields: Mapping[str, Any], begun: BegunCall | None) -> tuple[FileChange, ...]:
    return tuple(changes_of_diff(fields.get("diff"))) or (begun.files if begun else ())


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
