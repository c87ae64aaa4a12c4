"""Progress display on a terminal: the activity of the agent, and the elapsed time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ...sessions.question_words import title_of
from ..terminal.output import one_line
from ..terminal.screen import error_console
from .blocks import content_text

Event = dict[str, Any]
Show = Callable[[Event], None]

MAX_CHARS = 80
_INFORMATIVE = (
    *("command", "cmd", "file_path", "filePath", "pattern", "query", "path", "url"),
    *("description", "prompt"),
)
"""Names of inputs, the most informative first."""


class Display:
    """Shows events; `pause` leaves the terminal to other output until `resume`."""

    def __init__(
        self,
        show: Show = lambda _event: None,
        pause: Callable[[], None] = lambda: None,
        resume: Callable[[], None] = lambda: None,
    ) -> None:
        self.show = show
        self.pause = pause
        self.resume = resume


@contextmanager
def progress(label: str) -> Iterator[Display]:
    """Show the progress of a run on stderr while it lasts, if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield Display()
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    # A narrow terminal cuts the activity, and not the name and the time.
    rest = Column(ratio=1, no_wrap=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[label]}", style="bold", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False, table_column=rest),
    )
    with Progress(*columns, console=error_console(), transient=True, expand=True) as shown:
        task = shown.add_task("starting", label=one_line(label), total=None)

        def show(event: Event) -> None:
            activity = describe(event)
            if activity:
                shown.update(task, description=activity)

        yield Display(show, shown.stop, shown.start)


def describe(event: Event) -> str:
    """Return the activity of the agent that an event shows, or an empty string."""
    match event.get("event_type"):
        case "pre_tool":
            return _shorten(f"{event.get('tool_name')}: {gist(event.get('tool_input'))}")
        case "post_tool":
            return _shorten(
                f"{event.get('tool_name')} {'failed' if event.get('error') else 'done'}"
            )
        case "thinking":
            return "thinking"
        case "permission_denied":
            return _shorten(f"{event.get('tool_name')} was denied")
        case "permission_request":
            return _shorten(f"waits for your answer: {title_of(event)}")
        case "permission_decided":
            return "working"
        case "retry":
            return "waiting to try again"
        case "message" if event.get("role") == "assistant":
            return _shorten(content_text(event.get("content")))
        case "message":
            return "working"
        case _:
            return ""


def gist(tool_input: Any) -> str:
    """Return the most informative value of a tool's input, whichever agent has the tool."""
    if not isinstance(tool_input, dict):
        return ""
    for key in _INFORMATIVE:
        value = tool_input.get(key)
        if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
            value = " ".join(value)  # the arguments of a command
        if isinstance(value, str):
            return value
    return ""


def _shorten(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= MAX_CHARS else line[: MAX_CHARS - 1] + "…"
