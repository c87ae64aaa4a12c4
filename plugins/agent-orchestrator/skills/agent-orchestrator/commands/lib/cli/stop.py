"""`ao-stop`: stop what runs."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from ..client.manager import Json, ManagerClient
from ..config import Config
from ..console.command import (
    DONE,
    NOT_FINISHED,
    NOT_FOUND,
    Command,
    Seconds,
    configure,
    json_option,
    project_option,
)
from ..console.connect import open_manager
from ..console.output import answer, answer_json, note, one_line, tell_waiting
from ..machine.environment import state_dir
from ..runs.registry import Registered, list_registered, with_descendants
from ..runs.stop import (
    clear_dead,
    clear_remains,
    find_registered,
    request_stop,
    signal_supervisor,
    wait_for_supervisor,
)
from ..session_client import SessionClientError, SessionNotFoundError
from ..sessions.follow import wait_for
from ..sessions.resolve import ambiguous, parse_argument, resolve, state_of

EXAMPLES = """\
  ao-stop fix-login
  ao-stop fix-login review --timeout 5
  ao-stop lead --tree"""

STOP_SECONDS = 30.0


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("sessions", nargs=-1, required=True)
@click.option(
    "--timeout",
    type=Seconds(min=0),
    default=STOP_SECONDS,
    show_default=True,
    metavar="S",
    help="Seconds to wait for the end; then exit 4, and the stop goes on.",
)
@click.option("--tree", is_flag=True, help="Also the sessions that were started from inside them.")
@project_option
@json_option
def main(
    sessions: tuple[str, ...], timeout: float, tree: bool, project_dir: str | None, as_json: bool
) -> None:
    """Stop the runs of SESSIONS and wait until no process of them is left.

    What an agent has started with ao-new is a session of its own and goes on, unless --tree. With
    the manager away, the supervisors of this machine are asked themselves.
    """
    config = configure(project_dir, must_exist=False)
    with open_manager(config, for_people=True) as manager:
        try:
            found = [resolve(manager, session, config, reach=False) for session in sessions]
            if tree:
                found += [
                    child for s in found for child in manager.find_descendants(s["session_id"])
                ]
            ended = _stop(manager, found, timeout)
        except SessionNotFoundError:
            raise
        except SessionClientError as exc:
            if exc.status_code is not None:
                raise
            note(f"{exc}: asking the supervisors of this machine")
            sys.exit(_signal(sessions, config, tree=tree))
    if as_json:
        answer_json(ended)
    else:
        for session in ended:
            answer(one_line(f"{session['session_name']} {state_of(session)}"))
    sys.exit(DONE if len(ended) == len({s["session_id"] for s in found}) else NOT_FINISHED)


def _stop(manager: ManagerClient, sessions: list[Json], timeout_seconds: float) -> list[Json]:
    """Ask all, clear what supervisors that died have left, and return those that have ended."""
    state = state_dir()
    asked: list[Registered] = []
    for session in sessions:
        count = clear_dead(manager, session, state)
        if count is not None:
            note(f"the supervisor of {session['session_name']!r} had died: {count} stopped")
        if session["status"] == "running":
            request_stop(manager, session)
        elif session["reason"] == "lost":  # given up, and perhaps its supervisor lives
            asked += find_registered(state, session_id=session["session_id"])
    heard = [_ask(entry) for entry in asked]
    gone = [
        is_asked and wait_for_supervisor(entry, state, timeout_seconds=timeout_seconds)
        for entry, is_asked in zip(asked, heard, strict=True)
    ]
    ended = list(
        wait_for(manager, sessions, timeout_seconds=timeout_seconds, on_outage=tell_waiting)
    )
    left = {e.run.session_id for e, is_gone in zip(asked, gone, strict=True) if not is_gone}
    return [session for session in ended if session["session_id"] not in left]


def _signal(arguments: tuple[str, ...], config: Config, *, tree: bool) -> int:
    """Ask the supervisors of the sessions that these arguments name, as far as they are known."""
    exit_code = DONE
    for argument in arguments:
        registered = list_registered(state_dir())
        entries = _meant(registered, argument, config)
        for entry in with_descendants(registered, entries) if tree else entries:
            if entry.is_dead:
                clear_remains(entry, state_dir())
            elif _ask(entry):
                answer(one_line(f"asked the supervisor of {entry.run.session_name} to stop"))
            else:
                exit_code = NOT_FOUND
        if not entries:
            note(f"no run of {argument!r} is supervised on this machine")
            exit_code = NOT_FOUND
    return exit_code


def _ask(entry: Registered) -> bool:
    """Ask a supervisor to stop; return whether it could be asked."""
    if signal_supervisor(entry):
        return True
    note(
        f"the supervisor of {entry.run.session_name!r} runs on {entry.run.host}, in another "
        f"container or machine: stop it there: ao-stop {entry.run.session_id}"
    )
    return False


def _meant(registered: list[Registered], argument: str, config: Config) -> list[Registered]:
    """The runs of the one session that an argument means.

    Raises:
        CommandError: it is the id of one and the name of another, or the name of several.
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
