"""`ao-send`: send a message to a running session."""

from __future__ import annotations

import click

from ..console.command import CHANGES, NOT_FINISHED, USAGE, Command, CommandError, configure
from ..console.connect import open_manager
from ..console.options import json_option, project_option
from ..console.runs.prompt import prompt_option, read_prompt
from ..console.terminal.output import answer, answer_json, one_line
from ..sessions.messages import send_message
from ..sessions.resolve import refuse_own, resolve

EXAMPLES = """\
  ao-send fix-login -p 'Leave the logout test alone.'
  cat hint.txt | ao-send fix-login"""


@click.command(cls=Command, examples=EXAMPLES, finds=CHANGES)
@click.argument("session")
@prompt_option
@project_option
@json_option("Print the request as JSON, with its `state`.")
def main(session: str, prompt: tuple[str, ...], project_dir: str | None, as_json: bool) -> None:
    """Send a message to the agent of SESSION, which must be running.

    Claude Code reads it after its current tool call or as its next turn, and the run continues
    until it is answered. A program accepts no messages.

    Exit code 1 if the run has ended, its executor accepts no messages, or a person works in the
    session. Exit code 4 if the run's supervisor has not taken the message after 20 seconds; the
    message then waits for it.
    """
    config = configure(project_dir, must_exist=False)
    text = read_prompt(prompt)
    if not text:
        raise CommandError("no message: give one with -p TEXT or on stdin", USAGE)
    with open_manager(config) as manager:
        found = resolve(manager, session, config, reach=False)
        refuse_own(manager, found)
        name = found["session_name"]
        settled = send_message(manager, found, text)
    if settled["state"] == "pending":
        raise CommandError(
            f"session {name!r} has not taken the message yet; it is kept", NOT_FINISHED
        )
    if as_json:
        answer_json(settled)
    else:
        answer(one_line(f"sent to {name}"))
