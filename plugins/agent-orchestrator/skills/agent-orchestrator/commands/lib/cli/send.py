"""`ao-send`: a message into a session that runs."""

from __future__ import annotations

from uuid import uuid4

import click

from ..client.errors import LOST_CODES
from ..client.manager import Json, ManagerClient
from ..console.command import (
    NOT_FINISHED,
    USAGE,
    Command,
    CommandError,
    configure,
    json_option,
    project_option,
)
from ..console.connect import open_manager
from ..console.output import answer, answer_json, one_line
from ..console.prompt import prompt_option, read_prompt
from ..session_client import SessionClientError
from ..sessions.follow import wait_for_request
from ..sessions.resolve import resolve, state_of

EXAMPLES = """\
  ao-send fix-login -p 'Leave the logout test alone.'
  cat hint.txt | ao-send fix-login"""

ANSWER_SECONDS = 20.0


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("session")
@prompt_option
@project_option
@json_option
def main(session: str, prompt: tuple[str, ...], project_dir: str | None, as_json: bool) -> None:
    """Tell the agent that runs in SESSION something; it takes it up when it can.

    Exit 1 if its executor cannot, or the run has ended; 4 if nobody answered yet, and the message
    waits for the run's supervisor.
    """
    config = configure(project_dir, must_exist=False)
    text = read_prompt(prompt)
    if not text:
        raise CommandError("no message: give one with -p TEXT or on stdin", USAGE)
    with open_manager(config, for_people=True) as manager:
        found = resolve(manager, session, config, reach=False)
        name = found["session_name"]
        request = _ask(manager, found, text)
        settled = wait_for_request(manager, found, request, timeout_seconds=ANSWER_SECONDS)
        ended = manager.get_session(found["session_id"])
    if settled["state"] == "pending" and ended["status"] == "finished":
        raise CommandError(f"session {name!r} {state_of(ended)} before anybody took the message")
    if settled["state"] == "pending":
        raise CommandError(f"nobody has taken the message to {name!r} yet", NOT_FINISHED)
    if settled["state"] != "done":
        why = settled["detail"] or "the run has ended"
        raise CommandError(f"session {name!r} does not take it: {why}")
    if as_json:
        answer_json(settled)
    else:
        answer(one_line(f"told {name}"))


def _ask(manager: ManagerClient, session: Json, text: str) -> Json:
    try:
        return manager.create_request(
            session["session_id"], session["run"], str(uuid4()), "message", {"text": text}
        )
    except SessionClientError as exc:
        if exc.code not in LOST_CODES:
            raise
        raise CommandError(
            f"session {session['session_name']!r} is not running; ao-resume continues it"
        ) from exc
