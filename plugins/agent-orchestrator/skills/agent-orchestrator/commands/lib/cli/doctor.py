"""`ao-doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from urllib.parse import urlsplit

import click

from ..client.connect import client_of
from ..client.start_manager import find_manager
from ..console.command import DONE, FAILED, Command, configure, json_option, project_option
from ..console.connect import url_of
from ..console.output import answer, answer_json, note, one_line
from ..machine.environment import is_manager_given, outbox_dir, state_dir
from ..runs.delivery import deliver_leftovers, retry_refused
from ..runs.registry import list_registered
from ..runs.stop import clear_remains
from ..upkeep.checks import (
    Finding,
    check_executors,
    check_manager,
    check_outboxes,
    check_sessions,
    check_state_dir,
    check_supervisors,
)

EXAMPLES = """\
  ao-doctor
  ao-doctor --fix
  ao-doctor --json | jq -r '.[] | select(.advice) | .advice'"""

_LOCAL = ("127.0.0.1", "localhost", "::1")


@click.command(cls=Command, examples=EXAMPLES)
@click.option(
    "--fix",
    is_flag=True,
    help="Stop what runs of dead supervisors have left, and send what was refused once more.",
)
@project_option
@json_option
def main(fix: bool, project_dir: str | None, as_json: bool) -> None:
    """Check manager, database, state, executors, undelivered events, supervisors and sessions.

    Starts nothing. Exit 1 if something is not as it should be.
    """
    config = configure(project_dir, must_exist=False)
    state = state_dir()
    if fix:
        for entry in list_registered(state):
            if entry.is_dead:
                count = clear_remains(entry, state)
                note(f"{entry.run.session_name!r}: {count} processes stopped")
    url = url_of(None if is_manager_given() else find_manager(), config)
    address = urlsplit(url)
    port = (address.port or 80) if address.hostname in _LOCAL else None
    with client_of(url) as manager:
        if fix and (count := retry_refused(manager, outbox_dir(state))):
            note(f"{count} events or lines of transcripts are sent once more")
            deliver_leftovers(manager, outbox_dir(state))
        findings: list[Finding] = [
            *check_manager(manager, port),
            *check_state_dir(state),
            *check_executors(),
            *check_outboxes(state),
            *check_supervisors(state),
            *check_sessions(manager),
        ]
    if as_json:
        answer_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark = "ok  " if finding.advice is None else "!!  " if finding.matters else "?   "
            answer(mark + one_line(f"{finding.about}: {finding.text}"))
            if finding.advice:
                answer("    " + one_line(f"do: {finding.advice}"))
    sys.exit(DONE if all(finding.is_fine for finding in findings) else FAILED)
