"""`ao-list-sessions`: list sessions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import click

from ..client.manager import ManagerClient
from ..console.command import USAGE, Command, CommandError, configure
from ..console.connect import open_manager
from ..console.options import WholeNumber, project_option
from ..console.since import since_option
from ..console.tables import sessions as session_table
from ..console.terminal.output import answer_json, note
from ..console.terminal.screen import Screen, screen_of
from ..sessions.listing import SORTS, STATES, Listing
from ..sessions.resolve import Session

EXAMPLES = """\
  ao-list-sessions
  ao-list-sessions --needs-me
  ao-list-sessions --here --status running
  ao-list-sessions --state failed --since 2h --tree
  ao-list-sessions --text parser --sort cost -n 10 --wide
  ao-list-sessions --watch
  ao-list-sessions -q --here --state running | xargs ao-stop
  ao-list-sessions --json=session_name,state,outcome | jq -r '.[].outcome'"""

ALL_FIELDS = "*"
Draw = Callable[[Sequence[Session]], list[str]]


@click.command(cls=Command, examples=EXAMPLES)
@click.option("--here", is_flag=True, help="Only sessions of this project.")
@click.option(
    "--project",
    metavar="TEXT",
    help="Only sessions of projects whose path has this text in it.",
)
@click.option(
    "--needs-me",
    is_flag=True,
    help="Only sessions that need a person: they ask, have failed, were denied something, are "
    "quiet for long, or end with a question that no person has seen.",
)
@click.option(
    "--status",
    type=click.Choice(STATES),
    metavar="STATE",
    help="Like `--state`, but `finished` means every session that is not running, and `running` "
    "includes `waiting`.",
)
@click.option(
    "--state",
    type=click.Choice(STATES),
    metavar="STATE",
    help="Only sessions with this word in the column STATE.",
)
@click.option(
    "--text",
    metavar="TEXT",
    help="Only sessions with this text in their name, project, agent or id.",
)
@click.option("--agent", metavar="AGENT", help="Only sessions of this agent.")
@since_option("Only sessions with activity")
@click.option("--archived", is_flag=True, help="List the archived sessions instead.")
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    help="Newest first (`created`), newest `activity` first, by `name`, or highest `cost` first. "
    "Default: created.",
)
@click.option("--tree", is_flag=True, help="Show each session below the session that started it.")
@click.option(
    "-n",
    "--limit",
    type=WholeNumber(min=1),
    metavar="N",
    help="Only the first N sessions. Default: no limit.",
)
@click.option(
    "-w",
    "--watch",
    is_flag=True,
    help="Keep the list current until Ctrl-C. Without a terminal, print a line for each session "
    "and for each change.",
)
@click.option("--wide", is_flag=True, help="Also show agent, project and id, and cut nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Print only the ids.")
@project_option
@click.option(
    "--json",
    "fields",
    metavar="FIELDS",
    is_flag=False,
    flag_value=ALL_FIELDS,
    help="Print a JSON list of the sessions. `--json=a,b` prints only these fields. With "
    "`--watch`, each session is on a line of its own.",
)
def main(
    here: bool,
    project: str | None,
    needs_me: bool,
    status: str | None,
    state: str | None,
    text: str | None,
    agent: str | None,
    since: datetime | None,
    archived: bool,
    sort: str | None,
    tree: bool,
    limit: int | None,
    watch: bool,
    wide: bool,
    quiet: bool,
    project_dir: str | None,
    fields: str | None,
) -> None:
    """List the sessions of all projects, newest first.

    `--here` and `--project-dir` select one project. STATE is `running`, `waiting` while the agent
    waits for your answer, `finished`, or why the newest run did not complete: `failed`, `stopped`,
    `timeout`, `budget` or `lost`.

    On a terminal the table fits its width. The column WHAT has the title or the first line of the
    prompt, then the outcome, the error, or what the session waits for. TOOK and COST are those of
    all runs: `>` means that a part is unknown, and `…` that it is still counted. An id is shown
    where names repeat. In a file or a pipe the table has the columns NAME, STATE, AGENT, LAST
    ACTIVITY, PROJECT and ID, unless `--wide` is given.
    """
    if status not in (None, "running", "finished"):  # a word of the column STATE
        if state not in (None, status):
            raise CommandError(f"give --status {status} or --state {state}, not both", USAGE)
        status, state = None, status
    if watch and quiet:
        raise CommandError("give --watch or --quiet, not both", USAGE)
    config = configure(project_dir, must_exist=False)
    of_project = here or project_dir is not None
    where = {
        "archived": "true" if archived else "false",
        "project_dir": str(config.project_dir) if of_project else None,
        "status": status,
        "agent": agent,
        "text": text,
        "project": project,
        "sort": sort,
    }
    listing = Listing(
        where={name: value for name, value in where.items() if value is not None},
        state=state,
        needs_person=needs_me,
        since=since,
        limit=limit,
    )
    with open_manager(config) as manager:
        screen = replace(screen_of(), page=manager.base_url)

        def draw(sessions: Sequence[Session]) -> list[str]:
            listed = [*_as_tree(sessions)] if tree else [(session, 0) for session in sessions]
            return [*session_table.lines(listed, screen, is_wide=wide)] if listed else []

        if watch:
            _watch(manager, listing, draw, screen, as_json=fields is not None)
            return
        sessions = [*listing.read(manager)]
    if fields is not None:
        answer_json(_chosen(sessions, fields))
        return
    for line in (session["session_id"] for session in sessions) if quiet else draw(sessions):
        click.echo(line)
    if not sessions and sys.stderr.isatty():
        note("no sessions; ao-new starts one")


def _watch(
    manager: ManagerClient, listing: Listing, draw: Draw, screen: Screen, *, as_json: bool
) -> None:
    from ..console.tables.list_watch import print_changes, redraw  # late: it imports httpx

    if screen.can_redraw and not as_json:
        redraw(manager, listing, draw)
    else:
        print_changes(manager, listing, as_json=as_json)


def _chosen(sessions: Sequence[Session], fields: str) -> list[Session]:
    """Return the sessions with only these fields.

    Raises:
        CommandError: a field does not exist.
    """
    if fields == ALL_FIELDS:
        return [*sessions]
    wanted = [name.strip() for name in fields.split(",")]
    known = {name for session in sessions for name in session}
    for name in wanted:
        if sessions and name not in known:
            raise CommandError(f"no field {name!r}; fields: {', '.join(sorted(known))}", USAGE)
    return [{name: session.get(name) for name in wanted} for session in sessions]


def _as_tree(sessions: Sequence[Session]) -> Iterator[tuple[Session, int]]:
    """Yield each session below its parent, with its depth. Without a listed parent it is a root."""
    listed = {session["session_id"] for session in sessions}
    children: dict[str | None, list[Session]] = {}
    for session in sessions:
        parent = session["parent_session_id"]
        children.setdefault(parent if parent in listed else None, []).append(session)
    unvisited = [(session, 0) for session in reversed(children.get(None, []))]
    while unvisited:
        session, depth = unvisited.pop()
        yield session, depth
        below = reversed(children.get(session["session_id"], []))
        unvisited += [(child, depth + 1) for child in below]
