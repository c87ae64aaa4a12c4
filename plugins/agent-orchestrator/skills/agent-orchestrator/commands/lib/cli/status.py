"""`ao-status`: print whether a session is running."""

from __future__ import annotations

import sys

import click

from ..console.command import NOT_FOUND, READS, Command, configure
from ..console.connect import open_manager
from ..console.options import json_option, project_option
from ..console.terminal.output import answer, answer_json, note
from ..session_client import SessionNotFoundError
from ..sessions.notices import notices_of
from ..sessions.resolve import resolve

EXAMPLES = """\
  ao-status fix-login
  ao-status fix-login --json
  ao-status fix-login >/dev/null || echo 'no such session'"""


@click.command(cls=Command, examples=EXAMPLES, finds=READS)
@click.argument("session")
@project_option
@json_option(
    "Print the session as JSON; `reason` and `exit_code` tell how its newest run ended, and "
    "`questions` has its open questions, if any."
)
def main(session: str, project_dir: str | None, as_json: bool) -> None:
    """Print `running` or `finished`, or `not_existent` if there is no such session.

    If the agent waits for your answer, its questions are printed to stderr, in full and with the
    commands that answer them. If sessions have ended that its agent has started with `--notify`,
    and the agent does not know it yet, the command prints a note.

    Exit code 0 for `running` and `finished`, 3 for `not_existent`.
    """
    config = configure(project_dir, must_exist=False)
    with open_manager(config) as manager:
        try:
            found = resolve(manager, session, config, reach=True)
        except SessionNotFoundError:
            found = {"status": "not_existent"}
        waits = found["status"] == "running" and found.get("waiting_questions")
        questions = list(manager.list_questions(found["session_id"])) if waits else []
    if as_json:
        answer_json({**found, "questions": questions} if questions else found)
    else:
        answer(found["status"])
        if questions:
            from ..console.events.question_text import show_question  # late: few sessions wait

            for question in questions:
                show_question(question["event"], session)
        if text := notices_of(found):
            note(text)
    if found["status"] == "not_existent":
        sys.exit(NOT_FOUND)
