"""`ao-wait`: wait for sessions to end."""

from __future__ import annotations

import sys

import click
import httpx

from ..client.manager import Json
from ..client.patient import PATIENCE_SECONDS, TIMEOUT_SECONDS
from ..console.command import DONE, FAILED, NOT_FINISHED, READS, Command, configure
from ..console.connect import open_manager
from ..console.options import Seconds, json_option, project_option
from ..console.output import answer, answer_json, note, one_line, tell_waiting
from ..session_client import SessionClientError
from ..sessions.follow import is_finished, is_waiting, wait_for
from ..sessions.resolve import resolve, state_of

EXAMPLES = """\
  ao-wait fix-login review
  ao-wait fix-login review --any --timeout 600
  ao-wait fix-login && ao-get-result fix-login
  ao-wait fix-login --until waiting && ao-status fix-login"""

UNTIL = {"finished": is_finished, "waiting": is_waiting}


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
@click.option(
    "--until",
    type=click.Choice(UNTIL),
    default="finished",
    help="Wait until each of them has `finished`, or until each of them is `waiting` for your "
    "answer or has finished. Default: finished.",
)
@project_option
@json_option("Print a JSON list of the sessions that have ended, or wait.")
def main(
    sessions: tuple[str, ...],
    any_of_them: bool,
    timeout: float | None,
    until: str,
    project_dir: str | None,
    as_json: bool,
) -> None:
    """Wait until SESSIONS have ended, and print how each of them ended.

    An end is reported within two seconds. While the manager cannot be reached, the command prints
    a note and keeps waiting.

    Exit code 0 if all of them completed, or wait with `--until waiting`; 1 if one ended otherwise;
    4 if the time is up.
    """
    config = configure(project_dir, must_exist=False)
    patience = PATIENCE_SECONDS if timeout is None else min(timeout, PATIENCE_SECONDS)
    with open_manager(config, timeout_seconds=max(patience, TIMEOUT_SECONDS)) as manager:
        try:
            found = [resolve(manager, session, config, reach=True) for session in sessions]
        except SessionClientError as exc:
            if timeout is None or not isinstance(exc.__cause__, httpx.TimeoutException):
                raise
            note(str(exc))
            if as_json:
                answer_json([])
            sys.exit(NOT_FINISHED)
        wanted = 1 if any_of_them else len({session["session_id"] for session in found})
        ended = []
        reached = wait_for(
            manager,
            found,
            timeout_seconds=timeout,
            on_outage=tell_waiting,
            is_reached=UNTIL[until],
        )
        for session in reached:
            ended.append(session)
            if not as_json:
                answer(one_line(f"{session['session_name']} {state_of(session)}"))
            if len(ended) == wanted:
                break
    if as_json:
        answer_json(ended)
    if len(ended) < wanted:
        sys.exit(NOT_FINISHED)
    sys.exit(DONE if all(map(_is_well, ended)) else FAILED)


def _is_well(session: Json) -> bool:
    return bool(session["status"] == "running" or session["reason"] == "completed")
