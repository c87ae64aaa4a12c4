"""Joins the updates of tool calls, and yields one `pre_tool` and one `post_tool` for each call.

Agents spread a call over several updates, in different orders. The last value of each field counts.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..events.cut_text import join_texts
from ..events.event import Event
from ..events.prepare import create_event
from ..events.unified_diff import unified_diff
from .presets.preset import ToolNames

Json = dict[str, Any]

MAX_ID_CHARS = 120
"""An event id is longer, and may have up to 200 characters."""
MAX_DIFF_CHARS = 200_000
"""Larger texts are not compared."""
_ENDS = ("completed", "failed")
MAX_NAMING_ID_CHARS = 500
"""Longer ids are not searched: the search takes time that grows with the square."""
_CALL_ID = re.compile(r"(.+)__\1(?:_[0-9]+)+", re.DOTALL)
"""Id of a call that names its tool twice, as `read_file__read_file_1795708715281_0`."""
_EMPTY: tuple[object, ...] = (None, "", [], {})
"""Outputs of a call whose output is in its content."""
_CANCELLED = "it ended when its turn was cancelled"
_PLACES = frozenset({"cwd"})
"""Inputs that an agent sends before it knows the others."""


@dataclass
class ToolCall:
    """One call, as far as it is known."""

    call_id: str
    tool_use_id: str
    name: str | None = None
    title: str | None = None
    kind: str | None = None
    status: str | None = None
    raw_input: Json | None = None
    raw_output: Any = None
    text: str = ""
    diffs: list[Json] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    is_told: bool = False
    """True once there is a `pre_tool`."""
    denial: str | None = None
    """Why it was not permitted."""

    @property
    def tool_input(self) -> Json:
        """The input. An agent that never sends one shows the command as the title."""
        if self.raw_input is None:
            return {"title": self.title} if self.title else {}
        return self.raw_input

    @property
    def diff(self) -> str | None:
        """The changes of files in the unified form."""
        return "".join(map(_unified, self.diffs)) or None

    def note(self, told: Json, *, is_request: bool = False) -> None:
        """Take over the fields of an update, or of a request for permission.

        The text of a request is about the request: it is neither input nor output.
        """
        self.title = _text(told.get("title")) or self.title
        self.kind = _text(told.get("kind")) or self.kind
        self.status = _text(told.get("status")) or self.status
        raw_input = told.get("rawInput")
        # A request may repeat only a part of the input.
        if isinstance(raw_input, dict) and (raw_input or self.raw_input is None):
            self.raw_input = {**(self.raw_input or {}), **raw_input}
        if told.get("rawOutput") not in _EMPTY:
            self.raw_output = told["rawOutput"]
        content = told.get("content")
        if isinstance(content, list) and content:
            parts = [part for part in content if isinstance(part, dict)]
            self._note_content(parts, has_text=not is_request)
        locations = told.get("locations")
        for place in locations if isinstance(locations, list) else ():
            if isinstance(place, dict) and isinstance(place.get("path"), str):
                self.paths.append(place["path"])

    def _note_content(self, content: list[Json], *, has_text: bool) -> None:
        texts, diffs = [], []
        for part in content:
            match part:
                case {"type": "content", "content": {"type": "text", "text": str(text)}}:
                    texts.append(text)
                case {"type": "diff", "path": str(), "newText": str()}:
                    diffs.append(part)
        if texts and has_text:
            self.text = join_texts(texts)
            self._note_input()
        if diffs:
            self.diffs = diffs

    def _note_input(self) -> None:
        """Take the text as the input if it is one: an agent may send it so before the call runs."""
        if self.raw_input is not None or self.status not in (None, "pending"):
            return
        with contextlib.suppress(ValueError, RecursionError):
            parsed = json.loads(self.text)
            if isinstance(parsed, dict) and parsed:
                self.raw_input, self.text = parsed, ""


class ToolCalls:
    """The calls of one run."""

    def __init__(self, run_id: str, tool_names: ToolNames) -> None:
        """Make the ids of the events from `run_id`: an agent may begin its own with 1 again."""
        self._run_id = run_id
        self._tool_names = tool_names
        self._open: dict[str, ToolCall] = {}
        self._times: dict[str, int] = {}
        self.is_cancelled = False
        """True once the turn was cancelled: some agents then report their calls as completed."""

    def upsert(self, told: Json) -> Iterator[Event]:
        """Yield the events of an update."""
        call = self._noted(told)
        if call is None:
            return
        is_over = call.status in _ENDS
        has_input = bool(set(call.raw_input or {}) - _PLACES)
        if has_input or is_over or call.status == "in_progress":
            yield from self._pre(call)
        if is_over:
            yield self._post(call, self._error_of(call))

    def _error_of(self, call: ToolCall) -> str | None:
        if call.denial:
            return call.denial
        if call.status == "failed":
            return _error_of(call)
        return _CANCELLED if self.is_cancelled else None

    def asked(self, told: Json) -> tuple[ToolCall, list[Event]]:
        """Return the call that a request for permission is about, and the events of the request."""
        call = self._noted({**told, "status": None}, is_request=True)
        if call is None:  # the request names no call
            call = ToolCall(call_id="", tool_use_id="", is_told=True)
            call.note(told, is_request=True)
            call.name = self._name(call, told)
        return call, list(self._pre(call))

    def end_denied(self) -> Iterator[Event]:
        """Yield the end of each denied call that has none: the agent says nothing more of it."""
        for call in list(self._open.values()):
            if call.denial:
                yield from self._pre(call)
                yield self._post(call, call.denial)

    def end_turn(self) -> Iterator[Event]:
        """Yield the end of each call that has none."""
        for call in list(self._open.values()):
            yield from self._pre(call)
            yield self._post(call, call.denial or "the turn ended before the tool did")

    def _noted(self, told: Json, *, is_request: bool = False) -> ToolCall | None:
        call_id = told.get("toolCallId")
        if not isinstance(call_id, str) or not call_id:
            return None
        call = self._open.get(call_id)
        if call is None:
            if told.get("sessionUpdate") == "tool_call_update" and call_id in self._times:
                return None  # a late word about a call that is over
            count = self._times[call_id] = self._times.get(call_id, 0) + 1
            tool_use_id = call_id if count == 1 else f"{call_id}#{count}"
            call = self._open[call_id] = ToolCall(call_id=call_id, tool_use_id=tool_use_id)
        call.note(told, is_request=is_request)
        call.name = call.name or self._name(call, told)
        return call

    def _name(self, call: ToolCall, told: Json) -> str | None:
        name = tool_name_in(told, self._tool_names)
        if name is None and self._tool_names is ToolNames.TITLE:
            name = call.title
        return name or (call.kind if call.kind not in (None, "other") else call.title)

    def _pre(self, call: ToolCall) -> Iterator[Event]:
        if call.is_told:
            return
        call.is_told = True
        yield create_event(
            "pre_tool",
            self._event_id(call, "pre"),
            tool_name=call.name,
            tool_input=call.tool_input,
            tool_use_id=call.tool_use_id,
        )

    def _post(self, call: ToolCall, error: str | None) -> Event:
        del self._open[call.call_id]
        return create_event(
            "post_tool",
            self._event_id(call, "post"),
            tool_name=call.name,
            tool_output=call.text if call.raw_output is None else call.raw_output,
            tool_use_id=call.tool_use_id,
            diff=call.diff,
            error=error,
        )

    def _event_id(self, call: ToolCall, what: str) -> str:
        return f"{self._run_id}:{call.tool_use_id[-MAX_ID_CHARS:]}:{what}"


def _error_of(call: ToolCall) -> str:
    match call.raw_output:
        case (
            {"error": str(error)}
            | {"error": {"message": str(error)}}
            | {"message": str(error)}
            | str(error)
        ) if error:
            return error
    return call.text or "the tool failed"


def tool_name_in(told: Json, place: ToolNames) -> str | None:
    """Return the name of a tool from where only the agent's program writes it, else None."""
    match told.get("_meta"):
        case {"tool_name": str(name)} | {"toolName": str(name)} if name:
            return name
    call_id = told.get("toolCallId")
    if place is ToolNames.CALL_ID and isinstance(call_id, str):
        found = _CALL_ID.fullmatch(call_id) if len(call_id) <= MAX_NAMING_ID_CHARS else None
        return found[1] if found else None
    return _text(told.get("title")) if place is ToolNames.TITLE else None


def _unified(change: Json) -> str:
    path, before, after = change["path"], change.get("oldText") or "", change["newText"]
    if not isinstance(before, str) or len(before) + len(after) > MAX_DIFF_CHARS:
        return f"--- {path}\n+++ {path}\n(too large to compare: {len(after)} characters now)\n"
    old = path if change.get("oldText") else "/dev/null"
    return unified_diff(before, after, old_name=old, new_name=path)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
