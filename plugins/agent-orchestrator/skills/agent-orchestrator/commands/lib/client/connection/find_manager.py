"""Finds the manager that serves this state directory on this machine."""

from __future__ import annotations

from typing import Any

from ...machine.environment import manager_database, manager_port, state_dir
from ...session_client import _discover
from ...shared.sqlite_url import path_in

PROGRAM = "agent-session-manager"
WATCHDOG_SECONDS = 60.0
"""Longer than a manager takes to start or stop, even on a busy machine."""
POLL_SECONDS = 0.05

Found = dict[str, Any]
"""Content of a discovery file."""


def find_manager() -> Found | None:
    """Return the manager on our default port, or one with our database on another port."""
    found = _discover(manager_port())
    if found is not None:
        return found
    for path in sorted(state_dir().glob("manager-*.json")):
        port = path.stem.removeprefix("manager-")
        found = _discover(int(port)) if port.isdecimal() else None
        if found is not None and _is_same_database(str(found.get("database"))):
            return found
    return None


def _is_same_database(shown: str) -> bool:
    own = manager_database()
    its_file, own_file = path_in(shown), path_in(own)
    if its_file is None or own_file is None:
        return shown == own
    try:
        return its_file.samefile(own_file)
    except OSError:  # one of the files does not exist (yet)
        return its_file == own_file
