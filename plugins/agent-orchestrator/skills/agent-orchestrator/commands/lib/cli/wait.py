"""`ao-wait`: wait for sessions to end."""

from __future__ import annotations

import sys

import click

from ..console.command import DONE, FAILED, NOT_FINISHED, READS, Command, configure
from ..console.connect import open_manager
from ..console.options import Seconds, json_option, project_option
from ..console.output import answer, answer_json, one_line, tell_waiting
from ..sessions.follow import wait_for
from ..sessions.resolve import resolve, state_of

EXAMPLES = """\
  ao-wait fix-login review
  ao-wait fix-login review --any --timeout 600
  ao-wait fix-login && ao-get-result fix-login"""


@click.command(cls=Command, examples=EXAMPLES, finds=READS)
@click.argument("sessions", nargs=-1, required=True)
@click.option(
    "--any",
    "any_of_them",
    is_flag=True,
    help="Wait only until the first of them has ended; its end decides the exit code.",
)
@click.option(
    "--timeout",
    type=Seconds(min=0),
    metavar="S",
    help="Wait at most S seconds, then end with 4. The sessions continue. 0 does not wait. "
    "Default: no limit.",
)
@project_option
@json_option("Print a JSON list of the sessions that have ended.")
def main(
    sessions: tuple[str, ...],
    any_of_them: bool,
    timeout: float | None,
    project_dir: str | None,
    as_json: bool,
) -> None:
    """Wait until SESSIONS have ended, and print how each of them ended.

    An end is reported within two seconds. While the manager cannot be reached, the command prints
    a note and keeps waiting.

    Exit code 0 if all of them completed, 1 if one did not, 4 if the time is up.
    """
    config = configure(project_dir, must_exist=False)
    with open_manager(config) as manager:
        found = [resolve(manager, session, config, reach=True) for session in sessions]
        wanted = 1 if any_of_them else len({session["session_id"] for session in found})
        ended = []
        for session in wait_for(manager, found, timeout_seconds=timeout, on_outage=tell_waiting):
            ended.append(session)
            if not as_json:
                answer(one_line(f"{session['session_name']} {state_of(session)}"))
            if len(ended) == wanted:
                break
    if as_json:
        answer_json(ended)
    if len(ended) < wanted:
        sys.exit(NOT_FINISHED)
    sys.exit(DONE if all(session["reason"] == "completed" for session in ended) else FAILED)
