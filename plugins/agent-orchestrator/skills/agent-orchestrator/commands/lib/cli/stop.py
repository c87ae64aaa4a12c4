"""`ao-stop`: stop the runs of sessions."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from ..client.manager import Json, ManagerClient
from ..client.patient_client import TIMEOUT_SECONDS
from ..config import Config
from ..console.command import (
    CHANGES,
    DONE,
    FAILED,
    NOT_FINISHED,
    NOT_FOUND,
    USAGE,
    Command,
    CommandError,
    configure,
)
from ..console.connect import open_manager
from ..console.options import Seconds, json_option, project_option
from ..console.terminal.output import answer, answer_json, note, one_line, tell
from ..machine.environment import parent_session_id, state_dir
from ..runs.registry import Registered, list_registered, with_descendants
from ..runs.stop import clear_remains
from ..session_client import SessionClientError, SessionNotFoundError
from ..sessions.listing import Listing
from ..sessions.resolve import (
    ambiguous,
    by_hand,
    find_descendants,
    is_by_hand,
    parse_argument,
    refuse_own,
    resolve,
    state_of,
)
from ..sessions.stop import ask_supervisor, stop_sessions
from ..shared.plurals import counted

EXAMPLES = """\
  ao-stop fix-login
  ao-stop fix-login review --timeout 5
  ao-stop lead --tree
  ao-stop --here
  ao-stop --all --yes"""

STOP_SECONDS = 30.0


@click.command(cls=Command, examples=EXAMPLES, finds=CHANGES)
@click.argument("sessions", nargs=-1)
@click.option("--here", is_flag=True, help="Stop all sessions of this project that are running.")
@click.option(
    "--all",
    "all_projects",
    is_flag=True,
    help="Stop all sessions of all projects that are running.",
)
@click.option(
    "-y", "--yes", is_flag=True, help="With `--here` and `--all`, stop without asking first."
)
@click.option(
    "--timeout",
    type=Seconds(min=0),
    default=STOP_SECONDS,
    metavar="S",
    help=f"Wait at most S seconds, then end with 4. The stop continues. Default: {STOP_SECONDS:g}.",
)
@click.option(
    "--tree",
    is_flag=True,
    help="Also stop the sessions that were started from inside them, at any depth.",
)
@project_option
@json_option("Print a JSON list of the sessions that have ended.")
def main(
    sessions: tuple[str, ...],
    here: bool,
    all_projects: bool,
    yes: bool,
    timeout: float,
    tree: bool,
    project_dir: str | None,
    as_json: bool,
) -> None:
    """Stop the runs of SESSIONS, and wait until they have ended.

    `--here` and `--all` list the sessions and ask first. If there is no terminal to ask on, they
    need `--yes`.

    The agent is interrupted as by Ctrl-C. After 5 seconds its processes are terminated, after 3
    more they are killed, including those in the background. The session is then `stopped`, and
    `ao-resume` continues it. A session that has already ended does not change. But it no longer
    continues automatically: its supervisor on this machine stops waiting for notices.

    Sessions that the agent started with `ao-new` continue unless `--tree` is given. So does a
    manager that it started.

    The manager keeps the request, so it also reaches a run on another machine. A supervisor on
    this machine is signalled as well, in case it has no more access to the manager. If the manager
    cannot be reached, the command signals the supervisors on this machine and does not wait for
    their end; sessions are then found by name or whole id. If a supervisor has died, its remaining
    processes on this machine are stopped and the session is `lost`.

    A session in which a person works, in a terminal for example, is named and left as it is; the
    exit code is then 1.
    """
    _check(sessions, here=here, all_projects=all_projects)
    config = configure(project_dir, must_exist=False)
    # Soon enough without an answer, to ask the supervisors of this machine.
    with open_manager(config, timeout_seconds=TIMEOUT_SECONDS) as manager:
        try:
            if sessions:
                found = _named(manager, sessions, config, tree=tree)
            else:
                found = _running(manager, config if here else None)
                if found and not yes:
                    _confirm(found)
            others = [session for session in found if is_by_hand(session)]
            for session in others:
                note(f"{by_hand(session)}: end its turn there; ao-stop stops only runs of ao-new")
            found = [session for session in found if session not in others]
            ended = stop_sessions(manager, found, timeout_seconds=timeout, tell=note)
        except SessionNotFoundError:
            raise
        except SessionClientError as exc:
            # The signals would reach any session of this machine, also those above a run.
            if exc.status_code is not None or manager.is_of_a_run or not sessions:
                raise
            note(f"{exc}: asking the supervisors of this machine")
            sys.exit(_signal(sessions, config, tree=tree, as_json=as_json))
    if as_json:
        answer_json(ended)
    else:
        for session in ended:
            answer(one_line(f"{session['session_name']} {state_of(session)}"))
    if len(ended) < len({s["session_id"] for s in found}):
        sys.exit(NOT_FINISHED)
    sys.exit(FAILED if others else DONE)


def _check(sessions: tuple[str, ...], *, here: bool, all_projects: bool) -> None:
    given = sum((bool(sessions), here, all_projects))
    if given == 0:
        raise CommandError("Missing argument 'SESSIONS...'. See ao-stop --help.", USAGE)
    if given > 1:
        raise CommandError("give SESSIONS, --here or --all, only one of them", USAGE)


def _named(
    manager: ManagerClient, sessions: tuple[str, ...], config: Config, *, tree: bool
) -> list[Json]:
    """Return the sessions that the arguments mean, with those below them for `tree`."""
    found = [resolve(manager, session, config, reach=False) for session in sessions]
    for each in found:
        refuse_own(manager, each)
    if tree:
        found += [child for s in found for child in find_descendants(manager, s["session_id"])]
    return found


def _running(manager: ManagerClient, config: Config | None) -> list[Json]:
    """Return the running sessions of a project, or of all, that this command can stop."""
    where = {"status": "running"}
    if config is not None:
        where["project_dir"] = str(config.project_dir)
    found = Listing(where=where).read(manager)
    own = parent_session_id() if manager.is_of_a_run else None
    return [s for s in found if not is_by_hand(s) and s["session_id"] != own]


def _confirm(sessions: list[Json]) -> None:
    """Ask whether to stop these sessions.

    Raises:
        CommandError: the person says no, or cannot be asked.
    """
    for session in sessions:
        project = session["project_dir"] or "no project"
        tell(f"{session['session_name']} ({state_of(session)}, {project})")
    if not sys.stdin.isatty():
        raise CommandError("stdin is not a terminal, so you cannot be asked: add --yes", USAGE)
    if not click.confirm(f"Stop {counted(len(sessions), 'session')}?", err=True):
        raise CommandError("nothing was stopped")


def _signal(arguments: tuple[str, ...], config: Config, *, tree: bool, as_json: bool) -> int:
    """Signal the supervisors on this machine of the sessions that these arguments name.

    Whether a session has ended is not known, so the JSON list is empty.
    """
    exit_code = DONE
    tell = note if as_json else answer
    for argument in arguments:
        registered = list_registered(state_dir())
        entries = _meant(registered, argument, config)
        for entry in with_descendants(registered, entries) if tree else entries:
            if entry.is_dead:
                clear_remains(entry, state_dir())
            elif ask_supervisor(entry, note):
                tell(one_line(f"asked the supervisor of {entry.run.session_name} to stop"))
            else:
                exit_code = NOT_FOUND
        if not entries:
            note(f"no run of {argument!r} is supervised on this machine")
            exit_code = NOT_FOUND
    if as_json:
        answer_json([])
    return exit_code


def _meant(registered: list[Registered], argument: str, config: Config) -> list[Registered]:
    """Return the registered runs of the session that an argument names.

    Raises:
        SessionUsageError: several sessions match.
    """
    is_id, text = parse_argument(argument)
    entries = [
        entry
        for entry in registered
        if text == entry.run.session_id
        or (
            not is_id
            and text == entry.run.session_name
            and entry.run.project_dir == str(config.project_dir)
        )
    ]
    sessions = {entry.run.session_id: asdict(entry.run) for entry in entries}
    if len(sessions) > 1:
        raise ambiguous(argument, list(sessions.values()))
    return entries
