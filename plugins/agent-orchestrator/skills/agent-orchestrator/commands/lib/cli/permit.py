"""`ao-permit`: allow or deny what an agent asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ..client.manager import Json
from ..console.command import CHANGES, USAGE, Command, CommandError
from ..console.events.question_text import OPTIONS
from ..console.options import json_option, project_option
from ..console.runs.answering import answer_question

EXAMPLES = """\
  ao-permit fix-login --allow
  ao-permit fix-login --deny -p 'Use the test database.'
  ao-permit fix-login 3f2a --allow --for-run"""


@click.command(cls=Command, examples=EXAMPLES, finds=CHANGES)
@click.argument("session")
@click.argument("question", required=False)
@click.option("--allow", is_flag=True, help="Allow the call, once.")
@click.option("--deny", is_flag=True, help="Deny the call.")
@click.option(
    "--for-run",
    is_flag=True,
    help="With `--allow`: also allow the same call with exactly the same input until the run ends.",
)
@click.option(
    "--always",
    is_flag=True,
    help="With `--allow`: take a rule that the agent proposes and keeps. Its scope can be all your "
    "projects; `ao-status` shows it.",
)
@click.option(
    "--choice",
    metavar="ID",
    help="With `--always`, if the agent proposes several rules: the rule, such as allow_always_2.",
)
@click.option(
    "-p", "--prompt", "text", metavar="TEXT", help="With `--deny`: tell the agent the reason."
)
@project_option
@json_option("Print the request with the answer as JSON.")
def main(
    session: str,
    question: str | None,
    allow: bool,
    deny: bool,
    for_run: bool,
    always: bool,
    choice: str | None,
    text: str | None,
    project_dir: str | None,
    as_json: bool,
) -> None:
    """Allow or deny what the agent of SESSION asks for, and let it continue.

    QUESTION is the id of the question or its beginning. It can be left out if the session has only
    one open question. `ao-status SESSION` shows the questions in full.

    The first answer counts, from any command or page. Exit code 1 if the question was answered
    before or has timed out, or if the run has ended. Exit code 4 if the run's supervisor has not
    taken the answer after 20 seconds; the answer then waits for it.
    """
    if allow is deny:
        raise CommandError("give --allow or --deny", USAGE)
    if (for_run and always) or (deny and (for_run or always)):
        raise CommandError(
            "give one of --deny, --allow, --allow --for-run, --allow --always", USAGE
        )
    if choice is not None and not always:
        raise CommandError("--choice goes with --allow --always", USAGE)
    allowing = "allow_for_run" if for_run else "allow_always" if always else "allow"
    kind = "deny" if deny else allowing

    def payload(event: Mapping[str, Any]) -> Json:
        taken = _choice_of(event, kind, choice)
        return {"choice": taken, **({"text": text} if text else {})}

    answer_question(session, question, payload, project_dir=project_dir, as_json=as_json)


def _choice_of(event: Mapping[str, Any], kind: str, given: str | None) -> str:
    """Return the id of the choice of this kind."""
    choices = event.get("choices")
    if not choices:
        raise CommandError("the agent asks you a question: answer it with ao-answer", USAGE)
    fitting = [c for c in choices if c["kind"] == kind and given in (None, c["id"])]
    if len(fitting) == 1 or (fitting and kind in ("allow", "deny")):
        return str(fitting[0]["id"])
    if fitting:
        rules = ", ".join(f"--choice {c['id']} ({c['label']})" for c in fitting)
        raise CommandError(f"the agent proposes several rules, say which: {rules}", USAGE)
    options = dict.fromkeys(OPTIONS.get(c["kind"], c["kind"]) for c in choices)
    raise CommandError(f"the question has no such choice; it has only {', '.join(options)}", USAGE)
