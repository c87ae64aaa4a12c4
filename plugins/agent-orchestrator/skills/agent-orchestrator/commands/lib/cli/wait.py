"""`ao-wait`: wait for sessions to end."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice

import click
import httpx

from ..client.manager import Json
from ..client.patient_client import PATIENCE_SECONDS, TIMEOUT_SECONDS
from ..console.command import (
    DONE,
    FAILED,
    NOT_FINISHED,
    READS,
    USAGE,
    Command,
    CommandError,
    configure,
)
from ..console.connect import open_manager
from ..console.events.question_text import QuestionsShown
from ..console.options import Seconds, json_option, project_option
from ..console.terminal.output import answer, answer_json, note, one_line, tell_waiting
from ..session_client import SessionClientError
from ..sessions.follow import is_finished, is_waiting, wait_for, wait_for_attention
from ..sessions.listing import needs_person
from ..sessions.resolve import resolve, state_of

EXAMPLES = """\
  ao-wait fix-login review
  ao-wait fix-login review --any --timeout 600
  ao-wait fix-login && ao-get-result fix-login
  ao-wait fix-login --until waiting && ao-status fix-login
  ao-wait --needs-me"""

UNTIL = {"finished": is_finished, "waiting": is_waiting}


@click.command(cls=Command, examples=EXAMPLES, finds=READS)
@click.argument("sessions", nargs=-1)
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
@click.option(
    "--needs-me",
    is_flag=True,
    help="Wait until a session needs a person, as `ao-list-sessions --needs-me` lists them: one of "
    "SESSIONS, or any session if none is given.",
)
@project_option
@json_option("Print a JSON list of the sessions that have ended, wait, or need a person.")
def main(
    sessions: tuple[str, ...],
    any_of_them: bool,
    timeout: float | None,
    until: str,
    needs_me: bool,
    project_dir: str | None,
    as_json: bool,
) -> None:
    """Wait until SESSIONS have ended, and print how each of them ended.

    An end is reported within two seconds. While the manager cannot be reached, the command prints
    a note and keeps waiting. On a terminal it shows the questions of sessions that wait for you,
    with the commands that answer them.

    Exit code 0 if all of them completed, or wait with `--until waiting`, or if one needs a person
    with `--needs-me`; 1 if one ended otherwise; 4 if the time is up.
    """
    if not sessions and not needs_me:
        raise CommandError("Missing argument 'SESSIONS...'. See ao-wait --help.", USAGE)
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
        several = len({session["session_id"] for session in found})
        wanted = 1 if any_of_them or needs_me else several
        names = {s["session_id"]: each for s, each in zip(found, sessions, strict=True)}
        questions = QuestionsShown(manager, names) if sys.stderr.isatty() and not as_json else None

        def is_reached(session: Json) -> bool:
            if questions is not None:
                questions.see(session)
            return needs_person(session) if needs_me else UNTIL[until](session)

        if sessions:
            reached = wait_for(
                manager,
                found,
                timeout_seconds=timeout,
                on_outage=tell_waiting,
                is_reached=is_reached,
            )
            ended = list(islice(_told(reached, as_json=as_json), wanted))
        else:
            needing = wait_for_attention(manager, timeout_seconds=timeout, on_outage=tell_waiting)
            ended = [each for each in _told(needing, as_json=as_json) if is_reached(each)]
    if as_json:
        answer_json(ended)
    if len(ended) < wanted:
        sys.exit(NOT_FINISHED)
    sys.exit(DONE if needs_me or all(map(_is_well, ended)) else FAILED)


def _told(sessions: Iterable[Json], *, as_json: bool) -> Iterator[Json]:
    """Yield sessions, and print the state of each."""
    for session in sessions:
        if not as_json:
            answer(one_line(f"{session['session_name']} {state_of(session)}"))
        yield session


def _is_well(session: Json) -> bool:
    return bool(session["status"] == "running" or session["reason"] == "completed")
