"""Finding the session that an argument means: by id, by name in this project, by id prefix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal
from unicodedata import normalize

from ..client.manager import Json, ManagerClient
from ..config import Config
from ..machine.environment import parent_session_id
from ..machine.wire_text import wire_text
from ..session_client import SessionNotFoundError, _is_session_id
from .errors import SessionError, SessionUsageError

Session = dict[str, Any]

MAX_NAME_CHARS = 200
_ID = "id:"
_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_SHOWN = 10


def resolve(manager: ManagerClient, argument: str, config: Config, *, reach: bool) -> Session:
    """Return the session that `argument` means; see docs/explanation/sessions-and-runs.md.

    With `reach`, an id prefix also finds sessions of other projects. Commands that only read use
    it. Commands that change something find a session of another project by its whole id only.

    The creator of a session chooses its id. So an id must not replace a name or a prefix of another
    id: if several sessions match, none is chosen.

    Raises:
        SessionNotFoundError: no session matches; the message lists sessions of that name elsewhere.
        SessionUsageError: several sessions match.
    """
    is_id, text = parse_argument(argument)
    by_id = _find_by_id(manager, text)
    if is_id or not _is_name(text):
        if by_id is None:
            what = "" if is_id else "not a valid name and "
            raise SessionNotFoundError(f"no session {text!r}: {what}not the id of a session")
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
    """Return whether the argument is marked as an id (`id:…`), and its text without the mark."""
    return argument.startswith(_ID), argument.removeprefix(_ID)


def ambiguous(argument: str, sessions: list[Session]) -> SessionUsageError:
    """Return the error for an argument that means all of these sessions."""
    return SessionUsageError(
        f"{argument!r} means several sessions, say which with id:ID: {_listed(sessions)}"
    )


def is_uuid(text: str) -> bool:
    """Return whether a text has the form of the ids that commands give to sessions."""
    return _UUID.fullmatch(text) is not None


def _find_by_id(manager: ManagerClient, text: str) -> Session | None:
    try:
        return manager.get_session(text)
    except SessionNotFoundError:
        return None


def checked_name(name: str) -> str:
    """Return the name, if a session can have it.

    Raises:
        SessionUsageError: the name is empty, too long, or not UTF-8.
    """
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise SessionUsageError(f"a name has 1 to {MAX_NAME_CHARS} characters")
    if wire_text(name) != name:
        raise SessionUsageError(f"a name must be UTF-8 text, {wire_text(name)!r} is not")
    return name


def _is_name(text: str) -> bool:
    """Return whether a session can have this name; the manager refuses to look for others."""
    return len(text) <= MAX_NAME_CHARS and text.encode(errors="replace").decode() == text


def _find(manager: ManagerClient, **where: str) -> list[Session]:
    """Return up to `_SHOWN` sessions, and one more if there are more."""
    return list(manager.find_sessions(limit=_SHOWN + 1, **where))


def _find_by_name(manager: ManagerClient, name: str, **where: str) -> list[Session]:
    """Return the sessions of this name; archived ones only if no other session has it.

    A name in another Unicode form looks the same. It counts only if no name matches exactly.
    """
    for form in dict.fromkeys((name, *(normalize(form, name) for form in _FORMS))):
        found = _find(manager, session_name=form, **where)
        if len(found) > _SHOWN:  # too many to look at: the rest may have one that is not archived
            found = _find(manager, session_name=form, archived="false", **where) or found
        if found:
            return [session for session in found if not session.get("archived_at")] or found
    return []


def _elsewhere(manager: ManagerClient, name: str) -> str:
    others = _find(manager, session_name=name, archived="false")
    if not others:
        return "; list the sessions with ao-list-sessions"
    return f"; sessions of that name elsewhere (give the id, or --project-dir): {_listed(others)}"


def _listed(sessions: list[Session]) -> str:
    shown = [
        f"{s['session_id']} ({s['session_name']} in {s['project_dir'] or 'no project'})"
        for s in sessions[:_SHOWN]
    ]
    return ", ".join([*shown, "…"] if len(sessions) > _SHOWN else shown)


def refuse_own(manager: ManagerClient, session: Session) -> None:
    """Refuse to change the session that this command runs in: a run leads only those below it.

    Raises:
        SessionError: it is our own session.
    """
    if manager.is_of_a_run and session["session_id"] == parent_session_id():
        raise SessionError(
            f"{session['session_name']!r} is the session of this run: a run can message, resume "
            "and stop only the sessions that it started; ask the person to do this outside the run"
        )


def state_of(session: Session) -> str:
    """Return `running`, `waiting` if it waits for a person, or how the newest run ended."""
    if session["status"] == "running":
        return "waiting" if session.get("waiting_questions") else "running"
    return "finished" if session["reason"] in (None, "completed") else str(session["reason"])


def is_by_hand(session: Session) -> bool:
    """Return whether a person works in a session now, in a program that is not ours."""
    return session["status"] == "running" and bool(session.get("imported"))


def by_hand(session: Session) -> str:
    """Return a sentence about the place where a person works in a session."""
    lease = session.get("lease")
    where = [
        *([f"on {session['host']}"] if session["host"] else []),
        *([f"({lease['holder']})"] if lease else []),
    ]
    return " ".join((f"a person works in session {session['session_name']!r}", *where))


def find_descendants(manager: ManagerClient, session_id: str) -> Iterator[Json]:
    """Yield the sessions that were started from inside a session, at any depth."""
    seen = {session_id}
    unvisited = [session_id]
    while unvisited:
        for child in manager.find_sessions(parent_session_id=unvisited.pop()):
            if child["session_id"] not in seen:
                seen.add(child["session_id"])
                unvisited.append(child["session_id"])
                yield child
