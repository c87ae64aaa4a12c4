"""A terminal that runs a command, and the control characters on its screen."""

from __future__ import annotations

import codecs
import fcntl
import os
import re
import select
import struct
import termios
from typing import Self

from tests.commands.processes import Process, is_waiting
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

_NOTE_OF_WAITING = re.compile(
    r"(?m)^ao[a-z-]*: waiting for an answer of the session manager at \S+\n"
)


def without_notes_of_waiting(output: str) -> str:
    """Return an output without the notes that a command prints on a slow machine only."""
    return _NOTE_OF_WAITING.sub("", output)


class Terminal:
    """A terminal that runs one command, until the `with` block ends."""

    def __init__(self, process: Process, descriptor: int) -> None:
        self._process = process
        self._descriptor = descriptor
        self._seen = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self.hang_up()

    def kill(self) -> None:
        """End the command with SIGKILL; the terminal stays open."""
        self._process.kill()

    def hang_up(self) -> None:
        """Close the terminal, as a user closes its window."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def wait(self) -> int:
        return self._process.wait(WATCHDOG_SECONDS)

    @property
    def output(self) -> str:
        """All that was written to the terminal, up to the last whole character."""
        return codecs.getincrementaldecoder("utf-8")().decode(self._seen)

    @property
    def screen(self) -> str:
        return self._seen.decode().replace("\r\n", "\n")

    def resize(self, columns: int, lines: int) -> None:
        """Set the size of the terminal, and tell the command."""
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def types(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def shows(self, text: str) -> None:
        """Wait until the text is on the screen."""
        while text not in self.screen:
            assert self.reads(), f"{text!r} is not on the screen: {self.screen!r}"

    def asks(self, question: str) -> None:
        """Wait until the command has printed the question and waits for an answer.

        Python overlooks a Ctrl-C that arrives just before it begins to wait.
        """
        self.shows(question)
        wait_for(lambda: is_waiting(self._process.pid), "the command waits for an answer")

    def end(self) -> tuple[int, str]:
        """Wait until the command ends; return its exit code and all output on the screen."""
        while self.reads():
            pass
        code = self.wait()
        assert "Traceback" not in self.screen, self.screen
        return code, without_notes_of_waiting(self.screen)

    def reads(self) -> bool:
        """Read the next output; return False once the command has closed the terminal."""
        assert select.select([self._descriptor], [], [], WATCHDOG_SECONDS)[0], self.screen
        try:
            chunk = os.read(self._descriptor, 65536)
        except OSError:  # on Linux: the other side is closed
            return False
        self._seen += chunk
        return bool(chunk)


TERMINAL_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Characters that control a terminal or change the order of displayed text."""
OUR_OWN = re.compile(
    r"\x1b\[(?:[0-9;]*m|\?25[hl]|[0-9]*[AK])|\r|\x1b\]8;;(?:http[\x21-\x7e]*)?\x1b\\"
)
"""Sequences of our own: colours, links, and those that redraw a progress line."""


def controls_in(screen: str) -> list[str]:
    """Return the control characters on a screen, except those of our own sequences."""
    return TERMINAL_CONTROLS.findall(OUR_OWN.sub("", screen))
