"""`ao-doctor`: find problems on this machine and print how to fix them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from urllib.parse import urlsplit

import click

from ..client.connection.connect import client_of
from ..client.connection.find_manager import find_manager
from ..console.command import DONE, FAILED, Command, configure
from ..console.connect import url_of
from ..console.options import json_option, project_option
from ..console.terminal.output import answer, answer_json, note, one_line
from ..machine.environment import is_manager_given, outbox_dir, state_dir
from ..runs.delivery import deliver_leftovers, retry_refused
from ..runs.registry import list_registered
from ..runs.stop import clear_remains
from ..shared.plurals import counted
from ..upkeep.alerts import check_alerts
from ..upkeep.checks import (
    Finding,
    check_executors,
    check_manager,
    check_notices,
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
    help="First stop the processes that dead supervisors have left, and send refused events again.",
)
@project_option
@json_option("Print a JSON list of `about`, `text` and `advice`, which is null without a problem.")
def main(fix: bool, project_dir: str | None, as_json: bool) -> None:
    """Find problems on this machine, and print how to fix each of them.

    Checks that the manager answers and has the version of the commands, that the state directory is
    private, and that the Claude Agent SDK is installed. Shows each executor and preset with the
    version of its agent, and whether a login was found: a variable or a file, which is not read.
    An agent can have its login elsewhere, such as in the key chain of the system. Finds events that
    the manager does not have yet or has refused, dead supervisors, sessions that are `running`
    without a supervisor and without an event for a day, sessions that wait for a resume to hear
    that others have ended, and targets that do not take their alerts. Starts no model and changes
    nothing.

    Each line begins with `ok`, with `!!` for a problem, or with `?` for a possible one, such as
    an agent that is not installed or has no login. Exit code 1 if there is a problem.
    """
    config = configure(project_dir, must_exist=False)
    state = state_dir()
    if fix:
        for entry in list_registered(state):
            if entry.is_dead:
                count = clear_remains(entry, state)
                note(f"{entry.run.session_name!r}: {counted(count, 'process')} stopped")
    found = None if is_manager_given() else find_manager()
    url = url_of(found, config)
    address = urlsplit(url)
    port = (address.port or 80) if address.hostname in _LOCAL else None
    with client_of(url) as manager:
        if fix and (count := retry_refused(manager, outbox_dir(state))):
            note(f"sending {counted(count, 'refused event or transcript line')} again")
            deliver_leftovers(manager, outbox_dir(state))
        findings: list[Finding] = [
            *check_manager(manager, port, is_needed=is_manager_given() or found is not None),
            *check_state_dir(state),
            *check_executors(),
            *check_outboxes(state),
            *check_supervisors(state),
            *check_sessions(manager),
            *check_notices(manager, state),
            *check_alerts(state),
        ]
    if as_json:
        answer_json([asdict(finding) for finding in findings])
    else:
        for line in lines(findings):
            answer(line)
    sys.exit(DONE if all(finding.is_fine for finding in findings) else FAILED)


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of findings. No line is broken, so that commands can be copied."""
    for finding in findings:
        mark = "ok  " if finding.advice is None else "!!  " if finding.matters else "?   "
        yield mark + one_line(f"{finding.about}: {finding.text}")
        if finding.advice:
            yield "    " + one_line(f"do: {finding.advice}")
