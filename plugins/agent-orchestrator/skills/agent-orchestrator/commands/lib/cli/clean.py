"""`ao-clean`: delete sessions and what is kept of them, or archive them and take them back."""

from __future__ import annotations

import sys

import click

from ..client.errors import NAME_TAKEN, SESSION_RUNNING
from ..client.manager import Json, ManagerClient
from ..config import Config
from ..console.command import (
    DONE,
    FAILED,
    NOT_FOUND,
    USAGE,
    Command,
    CommandError,
    configure,
    json_option,
    project_option,
)
from ..console.connect import open_manager
from ..console.output import ago, answer, answer_json, note, one_line, tell
from ..machine.environment import claude_dir, state_dir
from ..runs.conversations import list_our_conversations
from ..runs.seal import our_runs
from ..session_client import SessionClientError, SessionNotFoundError
from ..sessions.resolve import Session, resolve, state_of
from ..upkeep.purge import purge

EXAMPLES = """\
  ao-clean fix-login review
  ao-clean --all
  ao-clean --all --yes
  ao-clean fix-login --purge
  ao-clean --archive fix-login
  ao-clean --unarchive fix-login"""


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("sessions", nargs=-1)
@click.option("--all", "all_of_project", is_flag=True, help="All sessions of this project.")
@click.option("--purge", "purges", is_flag=True, help="Also what lies on this machine; asks.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also those that say running with nobody behind it.")
@click.option("--archive", is_flag=True, help="Put them away instead; nothing is lost.")
@click.option("--unarchive", is_flag=True, help="Take archived ones back instead.")
@project_option
@json_option
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
    """Delete SESSIONS with all of their events; or, after asking, all of this project.

    A running session is left alone; --force deletes it unless a supervisor is behind it. Sessions
    of other projects are reached by their whole id, or with --project-dir. With --archive they
    are only put away: out of the lists, their names free; `ao-list-sessions --archived` has them.
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
            note(f"{session['session_name']!r} is running: left alone (--force deletes it)")
        if (all_of_project or purges) and doomed and not yes:
            _ask(doomed)
        ours = {s["session_id"]: _ours(manager, s) for s in doomed} if purges else {}
        deleted, refused = _delete(manager, doomed)
    purged = _purge(deleted, ours) if purges else []
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
    sys.exit(FAILED if refused or (running and not all_of_project) else DONE)


def _ours(manager: ManagerClient, session: Session) -> tuple[list[Json], list[str]]:
    """The runs of a session that this person started on this machine; none if it is gone.

    And the conversations that their agents began in them, beside the first.
    """
    session_id = session["session_id"]
    try:
        runs = manager.list_runs(session_id)
        conversations = list_our_conversations(manager, session_id, state_dir=state_dir())
    except SessionNotFoundError:
        return [], []
    return our_runs(runs, session_id=session_id, state_dir=state_dir()), conversations


def _purge(deleted: list[Session], ours: dict[str, tuple[list[Json], list[str]]]) -> list[str]:
    """Remove what is left here of sessions that are deleted; return the paths."""
    return [
        str(path)
        for session_id in (session["session_id"] for session in deleted)
        for path in purge(
            session_id, *ours[session_id], state_dir=state_dir(), claude_dir=claude_dir()
        )
    ]


def _answer_archived(
    manager: ManagerClient, chosen: list[Session], archive: bool, as_json: bool
) -> None:
    """Archive sessions, or take them back; those that are so already stay as they are."""
    changed = []
    for session in chosen:
        if (session["archived_at"] is not None) == archive:
            continue
        try:
            changed.append(manager.archive_session(session["session_id"], archived=archive))
        except SessionClientError as exc:
            if exc.code != NAME_TAKEN:
                raise
            raise CommandError(
                f"another session of its project is named {session['session_name']!r} by now: "
                "ao-rename that one first"
            ) from exc
    if as_json:
        answer_json({"archived" if archive else "unarchived": [s["session_id"] for s in changed]})
        return
    for session in changed:
        answer(one_line(f"{'archived' if archive else 'took back'} {_described(session)}"))


def _delete(manager: ManagerClient, doomed: list[Session]) -> tuple[list[Session], bool]:
    """Delete sessions; return those that were, and whether one is supervised and was not."""
    deleted = []
    refused = False
    for session in doomed:
        try:
            if manager.delete_session(session["session_id"]):
                deleted.append(session)
        except SessionClientError as exc:
            if exc.code != SESSION_RUNNING:
                raise
            note(f"{session['session_name']!r} has a supervisor: ao-stop it first")
            refused = True
    return deleted, refused


def _choose(
    manager: ManagerClient, arguments: tuple[str, ...], config: Config
) -> tuple[list[Session], bool]:
    """The sessions that are meant, each once, and whether one of the arguments means none."""
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
        raise CommandError("nobody can be asked here: add --yes to delete these", USAGE)
    if not click.confirm(f"Delete these {len(doomed)} sessions and their events?", err=True):
        raise CommandError("nothing was deleted")


def _described(session: Session) -> str:
    return (
        f"{session['session_name']} ({state_of(session)}, {session['last_seq']} events, "
        f"{ago(session['last_activity_at'])} ago, {session['session_id']})"
    )
