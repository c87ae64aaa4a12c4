"""The screen of a full-screen command, drawn from its output as a terminal draws it."""

from __future__ import annotations

from collections.abc import Callable

import pyte

from tests.commands.terminal import Terminal
from tests.support.waiting import wait_for


class FullScreen:
    """The screen of a terminal, drawn from all that a command has written to it."""

    def __init__(self, terminal: Terminal, columns: int, lines: int) -> None:
        self._terminal = terminal
        self._drawn = 0
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.Stream(self._screen)
        terminal.resize(columns, lines)

    @property
    def lines(self) -> list[str]:
        text = self._terminal.output
        self._stream.feed(text[self._drawn :])
        self._drawn = len(text)
        return [line.rstrip() for line in self._screen.display]

    def resize(self, columns: int, lines: int) -> None:
        """Change the size, as a user does with the window."""
        _ = self.lines
        self._screen.resize(lines, columns)
        self._terminal.resize(columns, lines)

    def shows(self, *texts: str) -> None:
        """Wait until all texts are on the screen at once."""
        self.waits_for(lambda shown: all(text in shown for text in texts), ", ".join(texts))

    def no_longer_shows(self, text: str) -> None:
        self.waits_for(lambda shown: text not in shown, f"no {text}")

    def waits_for(self, is_met: Callable[[str], bool], what: str) -> None:
        """Wait for a state of the screen. Output alone is no progress: ages grow each second."""

        def look() -> bool:
            if is_met("\n".join(self.lines)):
                return True
            assert self._terminal.reads(), f"{what}: {self.lines}"
            return is_met("\n".join(self.lines))

        try:
            wait_for(look, what, every=0.0)
        except AssertionError as exc:
            exc.add_note("\n".join(self.lines))
            raise
