"""`ao-list-sessions`: list sessions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice

import click

from ..console.command import USAGE, Command, CommandError, configure
from ..console.connect import open_manager
from ..console.options import WholeNumber, json_option, project_option
from ..console.output import ago, answer_json, note, table
from ..sessions.resolve import Session, state_of

EXAMPLES = """\
  ao-list-sessions
  ao-list-sessions --here --status running
  ao-list-sessions --state failed --tree
  ao-list-sessions --state waiting
  ao-list-sessions --json | jq -r '.[].session_id'"""

STATES = ("running", "waiting", "finished", "failed", "stopped", "timeout", "budget", "lost")
_OF_STATE = {"timeout": "failed", "budget": "failed"}
"""States of the manager that cover several words of the column STATE."""
HEADER = ["NAME", "STATE", "AGENT", "LAST ACTIVITY", "PROJECT", "ID"]


@click.command(cls=Command, examples=EXAMPLES)
@click.option("--here", is_flag=True, help="Only sessions of this project.")
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
@click.option("--agent", metavar="AGENT", help="Only sessions of this agent.")
@click.option("--archived", is_flag=True, help="List the archived sessions instead.")
@click.option("--tree", is_flag=True, help="Show each session below the session that started it.")
@click.option(
    "-n",
    "--limit",
    type=WholeNumber(min=1),
    metavar="N",
    help="Only the newest N sessions. Default: no limit.",
)
@project_option
@json_option("Print a JSON list of the sessions.")
def main(
    here: bool,
    status: str | None,
    state: str | None,
    agent: str | None,
    archived: bool,
    tree: bool,
    limit: int | None,
    project_dir: str | None,
    as_json: bool,
) -> None:
    """List the sessions of all projects, newest first.

    `--here` and `--project-dir` select one project. STATE is `running`, `waiting` while the agent
    waits for your answer, `finished`, or why the newest run did not complete: `failed`, `stopped`,
    `timeout`, `budget` or `lost`.
    """
    if status not in (None, "running", "finished"):  # a word of the column STATE
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
        **({"agent": agent} if agent else {}),
    }
    with open_manager(config) as manager:
        # The manager's `failed` includes other words, so its sessions are counted here.
        most = None if where.get("state") == "failed" else limit
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


def _row(session: Session, depth: int) -> list[str]:
    return [
        "└ " * depth + session["session_name"],
        state_of(session),
        session["agent_name"] or session["executor"] or "",
        ago(session["last_activity_at"]),
        session["project_dir"] or "",
        session["session_id"],
    ]
