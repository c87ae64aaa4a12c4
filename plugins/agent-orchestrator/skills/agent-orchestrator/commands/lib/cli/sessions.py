"""Which session an argument means: an exact id, a name in this project, a unique id prefix."""

from __future__ import annotations

from typing import Any

from ..config import Config
from ..manager_client import ManagerClient
from ..session_client import SessionNotFoundError, _is_session_id
from .command import USAGE, CommandError

Session = dict[str, Any]

MAX_NAME_CHARS = 200
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
        found_by_id = manager.get_session(argument)
    except SessionNotFoundError:
        pass
    else:
        return _unless_a_name_here(manager, found_by_id, config, reach=reach)
    if not _is_name(argument):
        raise SessionNotFoundError(f"no session {argument!r}: neither a name nor an id")
    project = str(config.project_dir)
    here = {"project_dir": project}
    found = _find(manager, session_name=argument, archived="false", **here)
    found = found or _find(manager, session_name=argument, **here)
    if not found and _is_session_id(argument):
        found = _find(manager, id_prefix=argument, **({} if reach else here))
    if len(found) == 1:
        return found[0]
    if found:
        raise CommandError(f"{argument!r} means several sessions: {_listed(found)}", USAGE)
    raise SessionNotFoundError(
        f"no session {argument!r} in {project}{_elsewhere(manager, argument)}"
    )


def _unless_a_name_here(
    manager: ManagerClient, session: Session, config: Config, *, reach: bool
) -> Session:
    """The session of this id, unless a command would change it where a name here was meant.

    Ids are chosen by their callers: one of another project may equal a name of this one.
    """
    project = str(config.project_dir)
    if reach or session["project_dir"] == project:
        return session
    here = _find(manager, session_name=session["session_id"], project_dir=project)
    if here:
        listed = _listed([session, *here])
        raise CommandError(f"{session['session_id']!r} is an id and a name here: {listed}", USAGE)
    return session


def checked_name(name: str) -> str:
    """The name, if a session can have it.

    Raises:
        CommandError: it is empty or too long.
    """
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise CommandError(f"a name has 1 to {MAX_NAME_CHARS} characters", USAGE)
    return name


def _is_name(text: str) -> bool:
    """Whether a session can have this name at all; the manager would not even look for another."""
    return len(text) <= MAX_NAME_CHARS and text.encode(errors="replace").decode() == text


def _find(manager: ManagerClient, **where: str) -> list[Session]:
    """As many as can be shown, and one more where there are more."""
    return list(manager.find_sessions(limit=_SHOWN + 1, **where))


def _elsewhere(manager: ManagerClient, name: str) -> str:
    others = _find(manager, session_name=name, archived="false")
    if not others:
        return "; ao-list-sessions shows those that there are"
    return f"; of that name elsewhere (give the id, or --project-dir): {_listed(others)}"


def _listed(sessions: list[Session]) -> str:
    shown = [
        f"{s['session_id']} ({s['session_name']} in {s['project_dir'] or 'no project'})"
        for s in sessions[:_SHOWN]
    ]
    return ", ".join([*shown, "…"] if len(sessions) > _SHOWN else shown)


def state_of(session: Session) -> str:
    """`running`, or how the newest run ended."""
    if session["status"] == "running":
        return "running"
    return "finished" if session["reason"] in (None, "completed") else str(session["reason"])
