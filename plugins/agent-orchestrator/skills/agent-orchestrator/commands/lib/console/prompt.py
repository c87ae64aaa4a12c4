"""The prompt of a run: from `-p`, and from stdin where that is asked for."""

from __future__ import annotations

import select
import sys

import click

from .command import USAGE, CommandError
from .output import note

PATIENCE_SECONDS = 2.0
STDIN = "-"

prompt_option = click.option(
    "-p",
    "--prompt",
    "prompt",
    multiple=True,
    metavar="TEXT",
    help="What the agent is to do; - is what comes on stdin. Several are joined by empty lines. "
    "Without it the prompt is what comes on stdin.",
)


def read_prompt(given: tuple[str, ...]) -> str:
    """Join what was given; read stdin only where asked: for `-`, or where nothing was given.

    Raises:
        CommandError: there is nothing but spaces.
    """
    if given:
        parts = [_read_stdin() if part == STDIN else part for part in given]
    else:  # a person on a terminal was not asked for anything
        parts = [_read_stdin() if not sys.stdin.isatty() else ""]
    prompt = "\n\n".join(part for part in parts if part)
    if prompt and not prompt.strip():
        raise CommandError("the prompt is nothing but spaces: say what is to be done", USAGE)
    return prompt


def _read_stdin() -> str:
    try:
        poll = select.poll()  # as `select` takes no descriptor above 1,023
        poll.register(sys.stdin, select.POLLIN)
        if not poll.poll(PATIENCE_SECONDS * 1000):
            note("reading the prompt from stdin until it ends; with none to give, add </dev/null")
    except (OSError, ValueError):  # a stdin that cannot be waited for can still be read
        pass
    return sys.stdin.buffer.read().decode("utf-8", "replace").rstrip("\n")
