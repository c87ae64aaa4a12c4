"""`ao-logs`: print the events of sessions."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import click

from ..client.manager import Json
from ..console.command import READS, USAGE, Command, CommandError, configure
from ..console.connect import open_manager
from ..console.events.look import MAX_LINES, Look, is_trouble
from ..console.events.session_logs import Logs
from ..console.events.text import is_detail
from ..console.options import WholeNumber, json_option, project_option
from ..console.since import since_option
from ..console.terminal.pager import print_paged
from ..console.terminal.screen import Screen, screen_of
from ..sessions.part import Part
from ..sessions.resolve import resolve

EXAMPLES = """\
  ao-logs fix-login
  ao-logs fix-login -n 20 --follow
  ao-logs fix-login review --follow
  ao-logs fix-login --errors --since 2h
  ao-logs fix-login --around 219 --full
  ao-logs fix-login --json | jq -r 'select(.event_type == "pre_tool") | .tool_name'"""

AROUND = 5
"""Default number of events on each side of the event `--around`."""


@click.command(cls=Command, examples=EXAMPLES, finds=READS)
@click.argument("sessions", nargs=-1, required=True)
@click.option(
    "-f",
    "--follow",
    "follow_on",
    is_flag=True,
    help="Continue until the newest run has ended. Each event is printed once, also after an "
    "outage of the manager.",
)
@click.option(
    "--after",
    type=WholeNumber(min=0),
    metavar="SEQ",
    help="Only events after the event with this number. Default: 0.",
)
@click.option(
    "--around",
    type=WholeNumber(min=1),
    metavar="SEQ",
    help="Only the event with this number, which is marked with `>`, and the events next to it.",
)
@click.option(
    "-n",
    "--limit",
    "--tail",
    "limit",
    type=WholeNumber(min=0),
    metavar="N",
    help="Only the last N events; with `--after` the next N. With `--around`, N events before it "
    f"and N after it; default: {AROUND}. With `--follow`, new events follow.",
)
@since_option("Only events")
@click.option("--errors", is_flag=True, help="Only errors, denials, and runs that ended badly.")
@click.option(
    "--full",
    is_flag=True,
    help=f"On a terminal, show whole outputs. Default: their first {MAX_LINES} lines; with "
    "`--follow`, the output of a program is whole.",
)
@project_option
@json_option("Print each event as JSON on a line of its own, with times in UTC and without a mark.")
def main(
    sessions: tuple[str, ...],
    follow_on: bool,
    after: int | None,
    around: int | None,
    limit: int | None,
    since: datetime | None,
    errors: bool,
    full: bool,
    project_dir: str | None,
    as_json: bool,
) -> None:
    """Print the events of SESSIONS in order.

    Events are prompts, answers, tool calls with their results, and the end of each run. Times are
    local: a line with the date and the UTC offset precedes the first event and each change of
    either. Of several sessions, each line begins with the name of its session.

    The events of a subagent are indented below the call that started it, with the subagent's name.
    With `--follow` they are printed as they arrive. Images and other data are shown as a note such
    as `[image image/png, 12 KB]`. Events that a fork copied from its original are marked with
    `(copied)`, and those that the agent later took back with `(taken back)`. The usage of single
    model requests is printed only with `--json`.

    A terminal shows colours unless NO_COLOR is set, edits as diffs, the cost of runs, and the
    beginning of long outputs. Without `--follow` it shows all in the pager of PAGER, by default
    less.
    """
    if after is not None and around is not None:
        raise CommandError("give --after or --around, not both", USAGE)
    if after is not None and limit is not None and follow_on:
        raise CommandError("give --after with --limit or with --follow, not with both", USAGE)
    if around is not None and len(sessions) > 1:
        raise CommandError("--around is for one session", USAGE)
    config = configure(project_dir, must_exist=False)
    part = Part(
        after=after,
        around=around,
        limit=AROUND if limit is None and around is not None else limit,
        since=since,
    )

    def is_shown(event: Json) -> bool:
        if event["seq"] == around:
            return True
        return (not errors or is_trouble(event)) and (as_json or not is_detail(event))

    screen = Screen() if as_json else screen_of()
    look = Look(screen=screen, max_lines=None if full else MAX_LINES)
    with open_manager(config) as manager:
        named = [resolve(manager, session, config, reach=True) for session in sessions]
        found = [*{session["session_id"]: session for session in named}.values()]
        logs = Logs(found, look, marked=around, as_json=as_json, cuts_programs=not follow_on)
        if follow_on:
            logs.follow(manager, part, is_shown, partial(click.echo, nl=False))
        else:
            print_paged(logs.read(manager, part, is_shown), screen)
