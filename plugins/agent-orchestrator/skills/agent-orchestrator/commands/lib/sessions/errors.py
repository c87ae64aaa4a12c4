"""Errors of operations on sessions, with texts for people."""

from __future__ import annotations

from pathlib import Path


class SessionError(Exception):
    """A failed operation on a session; the text gives the reason and what to do."""


class SessionUsageError(SessionError):
    """An operation that fails because of a given value: a name, an agent or a program."""


class NameTakenError(SessionError):
    """An error: another session of the project has the name."""


def name_taken_at_start(name: str, project_dir: Path) -> NameTakenError:
    return NameTakenError(
        f"there is a session {name!r} in {project_dir} already: continue it with ao-resume, "
        "remove it with ao-clean, or choose another name"
    )


def name_taken_at_rename(name: str) -> SessionError:
    return SessionError(
        f"another session of this project is named {name!r}: choose another name, or ao-rename "
        "that session first"
    )


def name_taken_at_unarchive(name: str) -> SessionError:
    return SessionError(
        f"another session of the project has taken the name {name!r}: ao-rename that session first"
    )
