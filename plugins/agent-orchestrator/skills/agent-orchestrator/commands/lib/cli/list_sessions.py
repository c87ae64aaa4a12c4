"""`ao-list-sessions`: which sessions there are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice

import click

from ..console.command import (
    USAGE,
    Command,
    CommandError,
    WholeNumber,
    configure,
    json_option,
    project_option,
)
from ..console.connect import open_manager
from ..console.output import ago, answer_json, note, table
from ..sessions.resolve import Session, state_of

EXAMPLES = """\
  ao-list-sessions
  ao-list-sessions --here --status running
  ao-list-sessions --state failed
  ao-list-sessions --json | jq -r '.[].session_id'"""

STATES = ("running", "finished", "failed", "stopped", "timeout", "budget", "lost")
_OF_STATE = {"timeout": "failed", "budget": "failed"}
"""Where the manager's state is wider than the word that people see."""
HEADER = ["NAME", "STATE", "AGENT", "LAST ACTIVITY", "PROJECT", "ID"]


@click.command(cls=Command, examples=EXAMPLES)
@click.option("--here", is_flag=True, help="Only those of this project.")
@click.option(
    "--status", type=click.Choice(STATES), help="Only those; finished: however they ended."
)
@click.option("--state", type=click.Choice(STATES), help="Only those whose STATE is this.")
@click.option("--agent", "agent_name", metavar="AGENT", help="Only those of this agent.")
@click.option("--archived", is_flag=True, help="Those that were archived, instead of the others.")
@click.option("--tree", is_flag=True, help="Each below the session that it was started from.")
@click.option("-n", "--limit", type=WholeNumber(min=1), metavar="N", help="Only the newest N.")
@project_option
@json_option
def main(
    here: bool,
    status: str | None,
    state: str | None,
    agent_name: str | None,
    archived: bool,
    tree: bool,
    limit: int | None,
    project_dir: str | None,
    as_json: bool,
) -> None:
    """List sessions, newest first: of all projects, or of one with --here or --project-dir."""
    if status not in (None, "running", "finished"):  # a word that STATE shows
        if state not in (None, status):
            raise CommandError(f"give --status {status} or --state {state}, not both", USAGE)
        status, state = None, status
    config = configure(project_dir, must_exist=False)
    of_project = here or project_dir is not None
    where = {
        "archived": "true" if archived else "false",
        **({"project_dir": str(config.project_dir)} if of_project else {}),
        **({"status": status} if status else {}),
        **({"state": _OF_STATE.get(state, state)} if state else {}),
        **({"agent_name": agent_name} if agent_name else {}),
    }
    with open_manager(config) as manager:
        most = None if where.get("state") == "failed" else limit  # which has several words
        found = manager.find_sessions(limit=most, **where)
        sessions = list(islice((s for s in found if state in (None, state_of(s))), limit))
    if as_json:
        answer_json(sessions)
    elif sessions:
        ordered = list(_as_tree(sessions)) if tree else [(session, 0) for session in sessions]
        table([_row(session, depth) for session, depth in ordered], header=HEADER)
    elif sys.stderr.isatty():
        note("no sessions; ao-new starts one")


def _as_tree(sessions: list[Session]) -> Iterator[tuple[Session, int]]:
    """Each session and its depth, below its parent; one whose parent is not listed is a root."""
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


def _row(session: Session, depth: int) -> list[str]:
    return [
        "└ " * depth + session["session_name"],
        state_of(session),
        session["agent_name"] or session["executor"] or "",
        ago(session["last_activity_at"]),
        session["project_dir"] or "",
        session["session_id"],
    ]
