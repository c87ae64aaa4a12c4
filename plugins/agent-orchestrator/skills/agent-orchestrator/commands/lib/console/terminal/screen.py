"""The screen that an answer is printed on: its width, and what it can show."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import quote

import click

from ...machine.environment import is_terminal_dumb, variables, wants_colours

if TYPE_CHECKING:
    from rich.console import Console

_MOST_COLUMNS = 1000
"""More than any terminal has; `COLUMNS` can be any number."""
_LINK, _END = "\x1b]8;;", "\x1b\\"


@dataclass(frozen=True, kw_only=True)
class Screen:
    """A terminal, or else a file or a pipe; their lines have any width, and no styles."""

    width: int | None = None
    """Number of columns; None for a file or a pipe."""
    has_colours: bool = False
    can_redraw: bool = False
    page: str | None = None
    """Address of the manager's page; names of sessions are links to it."""

    @property
    def is_terminal(self) -> bool:
        return self.width is not None

    def styled(self, text: str, **style: Any) -> str:
        """Return the text in a style of `click.style`, if the screen has colours."""
        return click.style(text, **style) if self.has_colours and text and style else text

    def session(self, text: str, session_id: str) -> str:
        """Return the text as a link to the page of a session, if the screen has styles.

        Terminals without links ignore the sequence (OSC 8).
        """
        if not (self.has_colours and self.page and self.page.isascii() and self.page.isprintable()):
            return text
        address = f"{self.page}/#/sessions/{quote(session_id, safe='')}"
        return f"{_LINK}{address}{_END}{text}{_LINK}{_END}"


def screen_of(stream: TextIO | None = None) -> Screen:
    """Return what a stream is printed on; the default is stdout.

    With `TERM=dumb`, as for a screen reader, there are no styles, and nothing is redrawn.
    """
    if not (stream or sys.stdout).isatty():
        return Screen()
    import shutil  # late: a file has no size, and this loads all formats of archives

    is_dumb = is_terminal_dumb()
    return Screen(
        width=min(max(shutil.get_terminal_size().columns, 20), _MOST_COLUMNS),
        has_colours=wants_colours() and not is_dumb,
        can_redraw=not is_dumb,
    )


def error_console() -> Console:
    """Return what progress is drawn on: stderr, with the terminal's own size."""
    from rich.console import Console  # late: it loads slowly

    of_size = ("COLUMNS", "LINES")  # rich would make lines as long as `COLUMNS` says
    known = {name: value for name, value in variables().items() if name not in of_size}
    return Console(stderr=True, _environ=known)
