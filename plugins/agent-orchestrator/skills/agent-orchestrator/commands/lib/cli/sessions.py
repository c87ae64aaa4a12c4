"""Which session an argument means: an exact id, a name in this project, a unique id prefix."""

from __future__ import annotations

from typing import Any

from ..config import Config
from ..manager_client import ManagerClient
from ..session_client import SessionNotFoundError, _is_session_id
from .command import USAGE, CommandError
from .output import one_line

Session = dict[str, Any]

_SHOWN = 10


def resolve(manager: ManagerClient, argument: str, config: Config, *, reach: bool) -> Session:
    """The session that `argument` means.

    With `reach` also one of another project, by a prefix of its id: right for a command that only
    reads. A command that changes something finds what is not of this project by its whole id only.

    Raises:
        SessionNotFoundError: there is none; the message says where one of that name is.
        CommandError: it means several.
    """
    try:
        return manager.get_session(argument)
    except SessionNotFoundError:
        pass
    project = str(config.project_dir)
    here = {"project_dir": project}
    named = list(manager.find_sessions(session_name=argument, archived="false", limit=2, **here))
    named = named or list(manager.find_sessions(session_name=argument, limit=2, **here))
    found = named
    if not found and _is_session_id(argument):
        scope = {} if reach else here
        found = list(manager.find_sessions(id_prefix=argument, limit=_SHOWN, **scope))
    if len(found) == 1:
        return found[0]
    if found:
        raise CommandError(f"{argument!r} means several sessions: {_listed(found)}", USAGE)
    raise SessionNotFoundError(
        f"no session {argument!r} in {project}{_elsewhere(manager, argument)}"
    )


def _elsewhere(manager: ManagerClient, name: str) -> str:
    others = list(manager.find_sessions(session_name=name, archived="false", limit=_SHOWN))
    if not others:
        return "; ao-list-sessions shows those that there are"
    return f"; of that name elsewhere (give the id, or --project-dir): {_listed(others)}"


def _listed(sessions: list[Session]) -> str:
    return ", ".join(
        one_line(f"{s['session_id']} ({s['session_name']} in {s['project_dir'] or 'no project'})")
        for s in sessions
    )


def state_of(session: Session) -> str:
    """`running`, or how the newest run ended."""
    if session["status"] == "running":
        return "running"
    return "finished" if session["reason"] in (None, "completed") else str(session["reason"])
