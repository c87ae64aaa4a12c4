"""`ao-get-result`: the last answer of a session."""

from __future__ import annotations

import click

from ..client.errors import NO_RESULT, SESSION_NOT_FINISHED
from ..console.command import NOT_FINISHED, READS, Command, CommandError, configure
from ..console.connect import open_manager
from ..console.options import json_option, project_option
from ..console.terminal.output import answer, answer_json
from ..session_client import SessionClientError
from ..sessions.resolve import resolve

EXAMPLES = """\
  ao-get-result fix-login
  ao-get-result fix-login --json | jq -r .result"""


@click.command(cls=Command, examples=EXAMPLES, finds=READS)
@click.argument("session")
@project_option
@json_option("Print `session_id` and `result` as JSON.")
def main(session: str, project_dir: str | None, as_json: bool) -> None:
    """Print the last answer of SESSION.

    This is the text of the last assistant message of its newest run.

    Exit code 4 while the session is running, 1 if it ended without an answer.
    """
    config = configure(project_dir, must_exist=False)
    with open_manager(config) as manager:
        found = resolve(manager, session, config, reach=True)
        try:
            result = manager.get_result(found["session_id"])
        except SessionClientError as exc:
            name = found["session_name"]
            if exc.code == SESSION_NOT_FINISHED:
                raise CommandError(f"session {name!r} is still running", NOT_FINISHED) from exc
            if exc.code == NO_RESULT:
                raise CommandError(f"session {name!r} finished without an answer") from exc
            raise
    if as_json:
        answer_json({"session_id": found["session_id"], "result": result})
    else:
        answer(result)
