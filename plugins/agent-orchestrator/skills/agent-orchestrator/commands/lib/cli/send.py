"""`ao-send`: send a message to a running session."""

from __future__ import annotations

from uuid import uuid4

import click

from ..client.errors import LOST_CODES, RUN_NOT_DRIVEN
from ..client.manager import Json, ManagerClient
from ..console.command import CHANGES, NOT_FINISHED, USAGE, Command, CommandError, configure
from ..console.connect import open_manager
from ..console.options import json_option, project_option
from ..console.output import answer, answer_json, one_line
from ..console.prompt import prompt_option, read_prompt
from ..session_client import SessionClientError
from ..sessions.follow import wait_for_request
from ..sessions.resolve import by_hand, refuse_own, resolve, state_of

EXAMPLES = """\
  ao-send fix-login -p 'Leave the logout test alone.'
  cat hint.txt | ao-send fix-login"""

ANSWER_SECONDS = 20.0


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
        request = _ask(manager, found, text)
        settled = wait_for_request(manager, found, request, timeout_seconds=ANSWER_SECONDS)
        ended = manager.get_session(found["session_id"])
    if settled["state"] == "pending" and ended["status"] == "finished":
        raise CommandError(f"session {name!r} {state_of(ended)} before it took the message")
    if settled["state"] == "pending":
        raise CommandError(
            f"session {name!r} has not taken the message yet; it is kept", NOT_FINISHED
        )
    if settled["state"] != "done":
        why = settled["detail"] or "the run has ended"
        raise CommandError(f"session {name!r} did not take the message: {why}")
    if as_json:
        answer_json(settled)
    else:
        answer(one_line(f"sent to {name}"))


def _ask(manager: ManagerClient, session: Json, text: str) -> Json:
    try:
        return manager.create_request(
            session["session_id"], session["run"], str(uuid4()), "message", {"text": text}
        )
    except SessionClientError as exc:
        if exc.code == RUN_NOT_DRIVEN:
            raise CommandError(f"{by_hand(session)}: give them the message there") from exc
        if exc.code not in LOST_CODES:
            raise
        raise CommandError(
            f"session {session['session_name']!r} is not running; ao-resume continues it"
        ) from exc
