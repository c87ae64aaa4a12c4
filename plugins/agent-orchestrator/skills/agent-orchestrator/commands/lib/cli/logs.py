"""`ao-logs`: what happened in a session."""

from __future__ import annotations

import json
from typing import Any

import click

from ..console.command import Command, WholeNumber, configure, json_option, project_option
from ..console.connect import open_manager
from ..console.event_text import EventText, by_parent, is_detail
from ..console.output import answer, tell_outage
from ..sessions.follow import follow
from ..sessions.resolve import resolve

EXAMPLES = """\
  ao-logs fix-login
  ao-logs fix-login --follow
  ao-logs fix-login --json | jq -r 'select(.event_type == "pre_tool") | .tool_name'"""


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("session")
@click.option("-f", "--follow", "follow_on", is_flag=True, help="Go on until its run has ended.")
@click.option("--after", type=WholeNumber(min=0), default=0, metavar="SEQ", help="Only later.")
@project_option
@json_option
def main(session: str, follow_on: bool, after: int, project_dir: str | None, as_json: bool) -> None:
    """Print the events of SESSION in order; with --json all, one object a line.

    Moments are local, with the date and the offset where they change; in JSON they are UTC. What a
    subagent did stands under the call that started it; with --follow, which shows events as they
    come, each of its lines has its name. Without --json the usage of single model requests is left
    out.
    """
    config = configure(project_dir, must_exist=False)
    shown = EventText()

    def show(event: dict[str, Any]) -> None:
        if as_json:
            answer(json.dumps(event))
        elif not is_detail(event):
            click.echo(shown.piece(event), nl=False)

    with open_manager(config) as manager:
        found = resolve(manager, session, config, reach=True)
        if follow_on:
            follow(manager, found, show, after_seq=after, on_outage=tell_outage)
        else:
            events = manager.iterate_events(found["session_id"], after_seq=after)
            for event in events if as_json else by_parent(events):
                show(event)
        click.echo(shown.end(), nl=False)
