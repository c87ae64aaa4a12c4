"""The person's pager for a long answer, if there is a terminal to page on."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress

import click

from ..machine.environment import pager, pager_environment
from .screen import Screen


def print_paged(pieces: Iterable[str], screen: Screen) -> None:
    """Print pieces of text through `$PAGER`, or else directly, as into a file or a pipe."""
    process = _start() if screen.can_redraw and sys.stdin.isatty() else None
    if process is None or process.stdin is None:
        for piece in pieces:
            click.echo(piece, nl=False)
        return
    try:
        for piece in pieces:
            process.stdin.write(piece)
    except (BrokenPipeError, KeyboardInterrupt):
        pass  # the person has left the pager; Ctrl-C is one of its keys
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        _wait(process)


def _start() -> subprocess.Popen[str] | None:
    try:
        command = shlex.split(pager())
    except ValueError:
        return None
    if not command or command == ["cat"]:
        return None
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
