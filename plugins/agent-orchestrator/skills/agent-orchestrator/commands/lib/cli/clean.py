"""`ao-clean`: delete, purge, archive or unarchive sessions."""

from __future__ import annotations

import sys

import click

from ..client.errors import NAME_TAKEN, SESSION_RUNNING
from ..client.manager import Json, ManagerClient
from ..config import Config
from ..console.command import (
    CHANGES,
    DONE,
    FAILED,
    NOT_FOUND,
    USAGE,
    Command,
    CommandError,
    configure,
)
from ..console.connect import open_manager
from ..console.options import json_option, project_option
from ..console.terminal.output import ago, answer, answer_json, note, one_line, tell
from ..machine.environment import claude_dir, state_dir
from ..runs.conversations import list_our_conversations
from ..runs.seal import our_runs
from ..session_client import SessionClientError, SessionNotFoundError
from ..sessions.errors import name_taken_at_unarchive
from ..sessions.resolve import Session, by_hand, is_by_hand, resolve, state_of
from ..shared.plurals import counted
from ..upkeep.purge import forget_conversations, purge

EXAMPLES = """\
  ao-clean fix-login review
  ao-clean --all
  ao-clean --all --yes
  ao-clean fix-login --purge
  ao-clean --archive fix-login
  ao-clean --unarchive fix-login"""


@click.command(cls=Command, examples=EXAMPLES, finds=CHANGES)
@click.argument("sessions", nargs=-1)
@click.option(
    "--all",
    "all_of_project",
    is_flag=True,
    help="All sessions of this project. Lists them and asks first.",
)
@click.option(
    "--purge",
    "purges",
    is_flag=True,
    help="Also delete the files that your runs left on this machine. Lists the sessions and asks "
    "first.",
)
@click.option(
    "-y",
    "--yes",
    is_flag=True,
    help="Do not ask. Needed with `--all` and `--purge` if stdin is not a terminal.",
)
@click.option(
    "--force", is_flag=True, help="Also delete sessions that are `running` without a supervisor."
)
@click.option("--archive", is_flag=True, help="Archive instead of deleting. Does not ask.")
@click.option(
    "--unarchive",
    is_flag=True,
    help="Unarchive instead. Refused if another session has taken the name.",
)
@project_option
@json_option("Print JSON: the ids as `deleted`, `archived` or `unarchived`, and files as `purged`.")
def main(  # noqa: PLR0913  # a parameter for each option
    sessions: tuple[str, ...],
    all_of_project: bool,
    purges: bool,
    yes: bool,
    force: bool,
    archive: bool,
    unarchive: bool,
    project_dir: str | None,
    as_json: bool,
) -> None:
    """Delete SESSIONS with their runs, events and transcripts, or archive them.

    An archived session is complete, but it is not listed and its name is free. `ao-list-sessions
    --archived` lists it until it is unarchived, or until the manager's retention deletes it.

    `--purge` also deletes files on this machine, for the runs that you started here: events that
    wait for the manager or were refused, the files of dead supervisors, and the conversations that
    Claude Code and Codex keep. Codex deletes its own. Other agents keep theirs: the command names
    them and ends with 1. It prints each deleted file. Backups are not changed.

    A running session is kept. `--force` deletes it if it has no supervisor; otherwise `ao-stop` it
    first. Exit code 3 if an argument matches no session (the others are deleted), 1 if a named
    session was kept, or a file that `--purge` should delete.
    """
    if archive and unarchive:
        raise CommandError("give --archive or --unarchive, not both", USAGE)
    if bool(sessions) == all_of_project:
        raise CommandError("name the sessions to delete, or give --all", USAGE)
    config = configure(project_dir, must_exist=False)
    with open_manager(config, for_people=True) as manager:
        chosen, missing = _choose(manager, sessions, config)
        if archive or unarchive:
            _answer_archived(manager, chosen, archive, as_json)
            sys.exit(NOT_FOUND if missing else DONE)
        running = [s for s in chosen if s["status"] == "running" and not force]
        doomed = [s for s in chosen if s not in running]
        for session in running:
            note(_left_alone(session))
        if (all_of_project or purges) and doomed and not yes:
            _ask(doomed)
        ours = {s["session_id"]: _ours(manager, s) for s in doomed} if purges else {}
        deleted, refused = _delete(manager, doomed)
    purged, is_purged = _purge(deleted, ours) if purges else ([], True)
    if as_json:
        ids = [s["session_id"] for s in deleted]
        answer_json({"deleted": ids, "purged": purged} if purges else {"deleted": ids})
    else:
        for session in deleted:
            answer(one_line(f"deleted {_described(session)}"))
        for path in purged:
            answer(one_line(f"removed {path}"))
    if missing:
        sys.exit(NOT_FOUND)
    is_kept = refused or (running and not all_of_project)
    sys.exit(DONE if is_purged and not is_kept else FAILED)


def _ours(manager: ManagerClient, session: Session) -> tuple[list[Json], list[str]]:
    """Return the runs that this person started on this machine, and their later conversations.

    Both lists are empty if the session is gone.
    """
    session_id = session["session_id"]
    try:
        runs = manager.list_runs(session_id)
        conversations = list_our_conversations(manager, session_id, state_dir=state_dir())
    except SessionNotFoundError:
        return [], []
    return our_runs(runs, session_id=session_id, state_dir=state_dir()), conversations


def _purge(
    deleted: list[Session], ours: dict[str, tuple[list[Json], list[str]]]
) -> tuple[list[str], bool]:
    """Remove the files of deleted sessions from this machine.

    Return their paths, and whether no file is left.
    """
    removed, is_all = [], True
    for session in deleted:
        session_id = session["session_id"]
        runs, conversations = ours[session_id]
        removed += purge(
            session_id, runs, conversations, state_dir=state_dir(), claude_dir=claude_dir()
        )
        forgotten, left = forget_conversations(runs, conversations)
        removed += forgotten
        for text in left:
            note(f"{session['session_name']!r}: {text}")
        is_all = is_all and not left
    return [str(path) for path in removed], is_all


def _answer_archived(
    manager: ManagerClient, chosen: list[Session], archive: bool, as_json: bool
) -> None:
    """Archive or unarchive sessions, and print those that were changed."""
    changed = []
    for session in chosen:
        if (session["archived_at"] is not None) == archive:
            continue
        try:
            changed.append(manager.archive_session(session["session_id"], archived=archive))
        except SessionClientError as exc:
            if exc.code != NAME_TAKEN:
                raise
            raise name_taken_at_unarchive(session["session_name"]) from exc
    if as_json:
        answer_json({"archived" if archive else "unarchived": [s["session_id"] for s in changed]})
        return
    for session in changed:
        answer(one_line(f"{'archived' if archive else 'unarchived'} {_described(session)}"))


def _delete(manager: ManagerClient, doomed: list[Session]) -> tuple[list[Session], bool]:
    """Delete sessions. Return the deleted ones, and whether a supervised session was refused."""
    deleted = []
    refused = False
    for session in doomed:
        try:
            if manager.delete_session(session["session_id"]):
                deleted.append(session)
        except SessionClientError as exc:
            if exc.code != SESSION_RUNNING:
                raise
            if is_by_hand(session):
                note(f"{by_hand(session)}: end it there first")
            else:
                note(f"{session['session_name']!r} has a supervisor: ao-stop it first")
            refused = True
    return deleted, refused


def _left_alone(session: Session) -> str:
    if is_by_hand(session):
        return f"{by_hand(session)}: left alone"
    return f"{session['session_name']!r} is running: left alone (--force deletes it)"


def _choose(
    manager: ManagerClient, arguments: tuple[str, ...], config: Config
) -> tuple[list[Session], bool]:
    """Return the chosen sessions, each once, and whether an argument matched no session."""
    if not arguments:
        return list(manager.find_sessions(project_dir=str(config.project_dir))), False
    found: dict[str, Session] = {}
    missing = False
    for argument in arguments:
        try:
            session = resolve(manager, argument, config, reach=False)
        except SessionNotFoundError as exc:
            note(str(exc))
            missing = True
        else:
            found[session["session_id"]] = session
    return list(found.values()), missing


def _ask(doomed: list[Session]) -> None:
    for session in doomed:
        tell(_described(session))
    if not sys.stdin.isatty():
        raise CommandError("stdin is not a terminal, so you cannot be asked: add --yes", USAGE)
    if not click.confirm(f"Delete {counted(len(doomed), 'session')} with all events?", err=True):
        raise CommandError("nothing was deleted")


def _described(session: Session) -> str:
    return (
        f"{session['session_name']} ({state_of(session)}, {counted(session['last_seq'], 'event')}, "
        f"{ago(session['last_activity_at'])} ago, {session['session_id']})"
    )
