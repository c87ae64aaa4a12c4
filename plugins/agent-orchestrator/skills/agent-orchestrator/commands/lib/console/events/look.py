"""The look of events on a terminal: colours, shortened outputs, and edits as diffs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...events.last_states import last_states
from ..terminal.output import clean
from ..terminal.screen import Screen

Event = Mapping[str, Any]

MAX_LINES = 12
"""Lines of an output that are shown without `--full`."""
MAX_COMPARED = 4000
"""Lines of each side of an edit: comparing takes time in proportion to their product."""
_STYLES: dict[str, dict[str, Any]] = {
    "thinking": {"dim": True},
    "usage": {"dim": True},
    "permission_denied": {"fg": "yellow"},
    "permission_request": {"fg": "yellow", "bold": True},
    "pre_tool": {"fg": "cyan"},
}
_OF_DIFF: dict[str, dict[str, Any]] = {"+": {"fg": "green"}, "-": {"fg": "red"}}


@dataclass(frozen=True, kw_only=True)
class Look:
    """Options of the look. The default is that of a file or a pipe, on which scripts rely."""

    screen: Screen = Screen()
    max_lines: int | None = None
    """Lines of an output to show; None shows all."""
    of_program: bool = False
    """True if the agent is a program, so that its messages are output, too."""

    def of_session(self, is_of_program: bool) -> Look:
        """Return this look for the events of a session, whose agent may be a program."""
        return replace(self, of_program=is_of_program)

    def head(self, place: str, said: str, event: Event) -> str:
        """Return the first line of an event: its place with the time, and the words."""
        screen = self.screen
        return f"{screen.styled(place, dim=True)} {screen.styled(said, **_style(event))}"

    def body(self, text: str, event: Event) -> list[str]:
        """Return the lines below the head."""
        is_output = self._is_output(event)
        lines = clean(last_states(text) if is_output else text).splitlines()
        if not self.screen.is_terminal:
            return lines
        if event.get("event_type") == "pre_tool":
            return [self._of_diff(line) for line in self._cut([*edit_lines(event)])]
        if is_output:
            lines = self._cut(lines)
        style = {"dim": True} if event.get("event_type") == "thinking" else {}
        return [self.screen.styled(line, **style) for line in lines]

    def _is_output(self, event: Event) -> bool:
        kind = event.get("event_type")
        is_said = kind == "message" and event.get("role") == "assistant"
        return kind in ("post_tool", "stderr", "turn_diff") or (is_said and self.of_program)

    def _cut(self, lines: list[str]) -> list[str]:
        if self.max_lines is None or len(lines) <= self.max_lines + 1:
            return lines
        left = len(lines) - self.max_lines
        note = f"… {left:,} more lines, --full shows them"
        return [*lines[: self.max_lines], self.screen.styled(note, dim=True)]

    def _of_diff(self, line: str) -> str:
        return self.screen.styled(line, **_OF_DIFF.get(line[:1], {}))


def is_trouble(event: Event) -> bool:
    """Return whether an event is an error, a denial, or a bad end of a run."""
    kind, reason = event.get("event_type"), event.get("reason")
    is_bad_end = kind == "session_stop" and reason not in (None, "completed")
    return bool(event.get("error")) or kind == "permission_denied" or is_bad_end


def _style(event: Event) -> dict[str, Any]:
    if event.get("error"):
        return {"fg": "red"}
    match event.get("event_type"):
        case "message" if event.get("role") == "user" and not event.get("origin"):
            return {"fg": "blue", "bold": True}
        case "message":
            return {"bold": True}
        case "session_stop":
            return {"fg": "red" if is_trouble(event) else "green", "bold": True}
        case str(kind):
            return _STYLES.get(kind, {})
    return {}


def edit_lines(event: Event) -> Iterator[str]:
    """Yield the lines of the edits in a tool call, without the numbers that are not known."""
    given = event.get("tool_input")
    if not isinstance(given, Mapping):
        return
    changes, edits = given.get("changes"), given.get("edits")
    for change in changes if isinstance(changes, list) else [given]:
        diff = change.get("diff") if isinstance(change, Mapping) else None
        if isinstance(diff, str):
            yield from clean(diff).splitlines()
    for edit in edits if isinstance(edits, list) else [given]:
        if isinstance(edit, Mapping):
            yield from _compared(edit.get("old_string"), edit.get("new_string"))
    if isinstance(given.get("file_path"), str):
        yield from _compared("", given.get("content"))


def _compared(old: Any, new: Any) -> Iterator[str]:
    if not isinstance(old, str) or not isinstance(new, str):
        return
    before, after = clean(old).splitlines(), clean(new).splitlines()
    if max(len(before), len(after)) > MAX_COMPARED:
        yield f"… {len(before):,} lines are replaced by {len(after):,}"
        return
    for line in list(difflib.unified_diff(before, after, lineterm=""))[3:]:
        yield "…" if line.startswith("@@") else line
