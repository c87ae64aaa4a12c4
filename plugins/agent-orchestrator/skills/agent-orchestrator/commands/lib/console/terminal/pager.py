"""The person's pager for a long answer, if there is a terminal to page on."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import PurePath

import click

from ...machine.environment import pager, pager_environment
from .screen import Screen

_STAYING = ("-+F", "-+X")
"""Options of less that undo those with which it ends early, and leaves its text."""


def print_paged(pieces: Iterable[str], screen: Screen, *, stays: bool = False) -> bool:
    """Print pieces of text through `$PAGER`, or else directly, as into a file or a pipe.

    Less `stays` until the person leaves it, also for a short text. Return whether it did.
    """
    command = _command() if screen.can_redraw and sys.stdin.isatty() else []
    is_less = stays and command[:1] != [] and PurePath(command[0]).name == "less"
    process = _start([*command, *(_STAYING if is_less else ())]) if command else None
    if process is None or process.stdin is None:
        for piece in pieces:
            click.echo(piece, nl=False)
        return False
    try:
        for piece in pieces:
            process.stdin.write(piece)
    except (BrokenPipeError, KeyboardInterrupt):
        pass  # the person has left the pager; Ctrl-C is one of its keys
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        _wait(process)
    return is_less


def _command() -> list[str]:
    """Return the command of the pager; an empty list for none."""
    try:
        command = shlex.split(pager())
    except ValueError:
        return []
    return [] if command == ["cat"] else command


def _start(command: list[str]) -> subprocess.Popen[str] | None:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            env=pager_environment(),
            encoding="utf-8",
            errors="replace",
        )
    except OSError:
        return None


def _wait(process: subprocess.Popen[str]) -> None:
    while True:
        try:
            process.wait()
            return
        except KeyboardInterrupt:  # it continues until the person leaves it
            continue
