"""The prompt of a run: from `-p`, from stdin, or both."""

from __future__ import annotations

import select
import sys

import click

from .output import note

PATIENCE_SECONDS = 2.0

prompt_option = click.option(
    "-p",
    "--prompt",
    metavar="TEXT",
    help="What the agent is to do. What comes on stdin is added after it.",
)


def read_prompt(flag: str | None) -> str:
    """The flag, then what stdin holds, a blank line between; a terminal is not waited for."""
    parts = [flag or "", _read_stdin()]
    return "\n\n".join(part for part in parts if part)


def _read_stdin() -> str:
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    try:
        if not select.select([sys.stdin], [], [], PATIENCE_SECONDS)[0]:
            note("reading the prompt from stdin until it ends; with none to give, add </dev/null")
    except (OSError, ValueError):  # a stdin that cannot be waited for can still be read
        pass
    return sys.stdin.buffer.read().decode("utf-8", "replace").rstrip("\n")
