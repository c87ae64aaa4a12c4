"""`ao-search`: find events by the words of their texts."""

from __future__ import annotations

import sys
from datetime import date

import click

from ..client.manager import Json, ManagerClient
from ..client.read.search import search
from ..console.command import NOT_FOUND, Command, CommandError, configure
from ..console.connect import open_manager
from ..console.open_page import NOT_OPENED, Place, open_page
from ..console.options import WholeNumber, json_option, project_option
from ..console.since import Since
from ..console.tables.search_hits import heading, lines
from ..console.terminal.output import answer_json, note
from ..console.terminal.screen import screen_of
from ..machine.time_zone import start_of
from ..sessions.resolve import resolve
from ..shared.plurals import counted

EXAMPLES = """\
  ao-search connection refused
  ao-search '"error in" pars* -test' --here --since 7d
  ao-search 'file:src/parser.py' --kind tool_input --by-session
  ao-search timeout --here --open
  ao-search timeout --session fix-login --json | jq -r '.hits[].seq'"""

KINDS = ("message", "thinking", "tool_input", "tool_output", "error", "note")


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("query", nargs=-1, required=True)
@click.option("--here", is_flag=True, help="Only sessions of this project.")
@click.option("--session", metavar="SESSION", help="Only this session, by its name or id.")
@click.option("--agent", metavar="AGENT", help="Only sessions of this agent.")
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    help="Only texts of this kind. Default: all but `thinking`.",
)
@click.option("--tool", "tool_name", metavar="TOOL", help="Only calls of this tool.")
@click.option("--errors", is_flag=True, help="Only events with an error.")
@click.option(
    "--since",
    type=Since(),
    metavar="WHEN",
    default="all",
    show_default=True,
    help="Only events since: `today`, `yesterday`, `7d` for today and the 6 days before, a date, "
    "or `all`.",
)
@click.option("--best", is_flag=True, help="The best hits first, instead of the newest.")
@click.option("--by-session", is_flag=True, help="Only the first hit of each session.")
@click.option(
    "-n",
    "--limit",
    type=WholeNumber(min=1, max=10_000),
    metavar="N",
    default=20,
    show_default=True,
    help="Up to N hits.",
)
@click.option("--open", "open_first", is_flag=True, help="Show the first hit in your browser.")
@project_option
@json_option("Print the hits, and the sessions whose names match, as JSON with times in UTC.")
def main(
    query: tuple[str, ...],
    here: bool,
    session: str | None,
    agent: str | None,
    kind: str | None,
    tool_name: str | None,
    errors: bool,
    since: date | None,
    best: bool,
    by_session: bool,
    limit: int,
    open_first: bool,
    project_dir: str | None,
    as_json: bool,
) -> None:
    """Find events whose texts have all words of QUERY, in the sessions of all projects.

    QUERY has words, "phrases", prefix*, file:PATH for a file in the input of a tool, and -excluded
    words. Quote it as one argument if it has any of these signs. Case and accents do not count.

    Each hit is a line below its session: the number of the event, its local time, its kind, and the
    text around the first match. `ao-logs SESSION --around N` prints a hit with its neighbours, and
    `--open` shows the first one in the manager's page. If no browser can be opened from here, it
    prints the page's address.
    """
    config = configure(project_dir, must_exist=False)
    of_project = here or project_dir is not None
    where = {
        "q": " ".join(query),
        "sort": "best" if best else "newest",
        **({"group": "session"} if by_session else {}),
        **({"project_dir": str(config.project_dir)} if of_project else {}),
        **({"agent": agent} if agent else {}),
        **({"kind": kind} if kind else {}),
        **({"tool_name": tool_name} if tool_name else {}),
        **({"has_error": "true"} if errors else {}),
        **({"since": start_of(since).isoformat()} if since else {}),
    }
    with open_manager(config, for_people=open_first) as manager:
        if session is not None:
            where["session_id"] = resolve(manager, session, config, reach=True)["session_id"]
        found = search(manager, where, limit=limit)
        if as_json:
            answer_json(found)
        else:
            _show(found)
        _note(found, is_read_on=not (as_json or open_first))
        if open_first:
            _open(manager, found)


def _show(found: Json) -> None:
    screen = screen_of()
    hits = {hit["session_id"] for hit in found["hits"]}
    for named in found["sessions"]:
        if named["session_id"] not in hits:
            click.echo(heading(named, screen))
    for line in lines(found["hits"], screen):
        click.echo(line)


def _note(found: Json, *, is_read_on: bool) -> None:
    behind = found["newest"] - found["indexed_through"]
    if behind > 0:
        note(
            f"the search index is {counted(behind, 'event')} behind the record, so there may be "
            "more hits"
        )
    if not sys.stderr.isatty():
        return
    if behind <= 0 and found["next_page"] is not None:
        note("there are more hits: use more words, or a higher --limit")
    if is_read_on and found["hits"]:
        first = found["hits"][0]
        note(f"to read the first hit: ao-logs {first['session_id']} --around {first['seq']}")
    elif behind <= 0 and not (found["hits"] or found["sessions"]):
        note("nothing found; ao-search --help lists what a query can have")


def _open(manager: ManagerClient, found: Json) -> None:
    first = next(iter([*found["hits"], *found["sessions"]]), None)
    if first is None:
        raise CommandError("nothing found, so no page was opened", NOT_FOUND)
    place = Place(first["session_id"], first.get("seq"))
    page = open_page(manager, place)
    if not page.is_opened:
        note(f"{NOT_OPENED}: {page.url}")
        return
    event = "" if place.seq is None else f"event {place.seq} of "
    note(f"opened {event}the session {first['session_name']} in your browser")
