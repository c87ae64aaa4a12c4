"""The prompt of a run: from `-p`, from stdin, or from both."""

from __future__ import annotations

import select
import sys

import click

from ...shared.text_encoding import utf_8_text
from ..command import USAGE, CommandError
from ..terminal.output import note

PATIENCE_SECONDS = 2.0
STDIN = "-"

prompt_option = click.option(
    "-p",
    "--prompt",
    "prompt",
    multiple=True,
    metavar="TEXT",
    help="Text for the agent; `-` reads it from stdin. Several are joined by an empty line. "
    "Without `-p` it is read from stdin, unless stdin is a terminal.",
)


def read_prompt(given: tuple[str, ...]) -> str:
    """Join the given texts. Read stdin for `-`, or if no text is given and it is not a terminal.

    Raises:
        CommandError: the prompt consists of white space only, or is not UTF-8.
    """
    if given:
        parts = [_read_stdin() if part == STDIN else part for part in given]
    else:  # a person at a terminal does not expect to type the prompt now
        parts = [_read_stdin() if not sys.stdin.isatty() else ""]
    prompt = "\n\n".join(part for part in parts if part)
    if prompt and not prompt.strip():
        raise CommandError("the prompt is blank: give the agent a task", USAGE)
    return prompt


def _read_stdin() -> str:
    try:
        poll = select.poll()  # `select` accepts no descriptor above 1,023
        poll.register(sys.stdin, select.POLLIN)
        if not poll.poll(PATIENCE_SECONDS * 1000):
            note(
                "reading the prompt from stdin until it ends; if there is no prompt, add </dev/null"
            )
    except (OSError, ValueError):  # a stdin that cannot be polled can still be read
        pass
    try:
        return utf_8_text(sys.stdin.buffer.read(), "replace").rstrip("\n")
    except ValueError as exc:
        raise CommandError(f"the prompt on stdin cannot be read: {exc}", USAGE) from exc
