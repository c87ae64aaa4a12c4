"""`ao-logs`: print the events of a session."""

from __future__ import annotations

import json
from typing import Any

import click

from ..console.command import READS, USAGE, Command, CommandError, configure
from ..console.connect import open_manager
from ..console.event_text import EventText, by_parent, is_detail
from ..console.options import WholeNumber, json_option, project_option
from ..console.output import answer, tell_outage
from ..sessions.follow import follow
from ..sessions.part import Part
from ..sessions.resolve import resolve

EXAMPLES = """\
  ao-logs fix-login
  ao-logs fix-login -n 20 --follow
  ao-logs fix-login --around 219
  ao-logs fix-login --json | jq -r 'select(.event_type == "pre_tool") | .tool_name'"""

AROUND = 5
"""Default number of events on each side of the event `--around`."""


@click.command(cls=Command, examples=EXAMPLES, finds=READS)
@click.argument("session")
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
    type=WholeNumber(min=0),
    metavar="N",
    help="Only the last N events; with `--after` the next N. With `--around`, N events before it "
    f"and N after it; default: {AROUND}. With `--follow`, new events follow.",
)
@project_option
@json_option("Print each event as JSON on a line of its own, with times in UTC and without a mark.")
def main(
    session: str,
    follow_on: bool,
    after: int | None,
    around: int | None,
    limit: int | None,
    project_dir: str | None,
    as_json: bool,
) -> None:
    """Print the events of SESSION in order.

    Events are prompts, answers, tool calls with their results, and the end of each run. Times are
    local: a line with the date and the UTC offset precedes the first event and each change of
    either.

    The events of a subagent are indented below the call that started it, with the subagent's name.
    With `--follow` they are printed as they arrive. Images and other data are shown as a note such
    as `[image image/png, 12 KB]`. Events that a fork copied from its original are marked with
    `(copied)`, and those that the agent later took back with `(taken back)`. The usage of single
    model requests is printed only with `--json`.
    """
    if after is not None and around is not None:
        raise CommandError("give --after or --around, not both", USAGE)
    if after is not None and limit is not None and follow_on:
        raise CommandError("give --after with --limit or with --follow, not with both", USAGE)
    config = configure(project_dir, must_exist=False)
    part = Part(
        after=after,
        around=around,
        limit=AROUND if limit is None and around is not None else limit,
    )
    shown = EventText(marked=around)

    def is_shown(event: dict[str, Any]) -> bool:
        return as_json or event["seq"] == around or not is_detail(event)

    def show(event: dict[str, Any]) -> None:
        if as_json:
            answer(json.dumps(event))
        elif is_shown(event):
            click.echo(shown.piece(event), nl=False)

    with open_manager(config) as manager:
        found = resolve(manager, session, config, reach=True)
        if follow_on:
            begin = part.begin(manager, found, is_shown)
            follow(manager, found, show, after_seq=begin, on_outage=tell_outage)
        else:
            events = part.read(manager, found, is_shown)
            for event in events if as_json else by_parent(events):
                show(event)
        click.echo(shown.end(), nl=False)
