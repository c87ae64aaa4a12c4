"""Which session an argument means: an exact id, a name in this project, a unique id prefix."""

from __future__ import annotations

import re
from typing import Any, Literal
from unicodedata import normalize

from ..client.manager import ManagerClient
from ..config import Config
from ..machine.wire_text import wire_text
from ..session_client import SessionNotFoundError, _is_session_id
from .errors import SessionUsageError

Session = dict[str, Any]

MAX_NAME_CHARS = 200
_ID = "id:"
_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_SHOWN = 10


def resolve(manager: ManagerClient, argument: str, config: Config, *, reach: bool) -> Session:
    """The session that `argument` means; see docs/commands.md.

    With `reach` also one of another project, by a prefix of its id: right for a command that only
    reads. A command that changes something finds what is not of this project by its whole id only.

    Ids are chosen by whoever creates a session, so an id must not take the place of a name or of
    the start of another id: where both fit, neither is taken.

    Raises:
        SessionNotFoundError: there is none; the message says where one of that name is.
        SessionUsageError: it means several.
    """
    is_id, text = parse_argument(argument)
    by_id = _find_by_id(manager, text)
    if is_id or not _is_name(text):
        if by_id is None:
            what = "" if is_id else "neither a name nor "
            raise SessionNotFoundError(f"no session {text!r}: {what}an id of one")
        return by_id
    project = str(config.project_dir)
    here = {"project_dir": project}
    named = _find_by_name(manager, text, **here)
    begun: list[Session] = []
    if not named and _is_session_id(text) and (by_id is None or not is_uuid(text)):
        begun = _find(manager, id_prefix=text, **({} if reach else here))
    found = {s["session_id"]: s for s in (*([by_id] if by_id else []), *named, *begun)}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise ambiguous(argument, list(found.values()))
    raise SessionNotFoundError(
        f"no session {argument!r} in {project}{_elsewhere(manager, argument)}"
    )


def parse_argument(argument: str) -> tuple[bool, str]:
    """Return whether it is said to be an id (`id:…`), and what it says."""
    return argument.startswith(_ID), argument.removeprefix(_ID)


def ambiguous(argument: str, sessions: list[Session]) -> SessionUsageError:
    """The error for an argument that means all of these sessions."""
    return SessionUsageError(
        f"{argument!r} means several sessions, say which with id:ID: {_listed(sessions)}"
    )


def is_uuid(text: str) -> bool:
    """Whether it has the form of the ids that commands give to sessions."""
    return _UUID.fullmatch(text) is not None


def _find_by_id(manager: ManagerClient, text: str) -> Session | None:
    try:
        return manager.get_session(text)
    except SessionNotFoundError:
        return None


def checked_name(name: str) -> str:
    """The name, if a session can have it.

    Raises:
        SessionUsageError: it is empty or too long.
    """
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise SessionUsageError(f"a name has 1 to {MAX_NAME_CHARS} characters")
    if wire_text(name) != name:
        raise SessionUsageError(f"a name is text in UTF-8, which {wire_text(name)!r} is not")
    return name


def _is_name(text: str) -> bool:
    """Whether a session can have this name at all; the manager would not even look for another."""
    return len(text) <= MAX_NAME_CHARS and text.encode(errors="replace").decode() == text


def _find(manager: ManagerClient, **where: str) -> list[Session]:
    """As many as can be shown, and one more where there are more."""
    return list(manager.find_sessions(limit=_SHOWN + 1, **where))


def _find_by_name(manager: ManagerClient, name: str, **where: str) -> list[Session]:
    """The sessions of this name, archived ones only where no other has it.

    A name in another Unicode form looks the same: it counts where none is written as it was typed.
    """
    for form in dict.fromkeys((name, *(normalize(form, name) for form in _FORMS))):
        found = _find(manager, session_name=form, **where)
        if len(found) > _SHOWN:  # more than these: there may be one among the others
            found = _find(manager, session_name=form, archived="false", **where) or found
        if found:
            return [session for session in found if not session.get("archived_at")] or found
    return []


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
