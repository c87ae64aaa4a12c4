"""A supervisor stays after a run that ended well, as long as notices can come for its session.

It is the process with the rights and the environment to open the next run. It replaces its program
by a small one, `sessions/starts/wake.py`, and keeps its process id and its entry in the registry.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace

from ...client.errors import may_pass
from ...client.manager import Json, ManagerClient
from ...session_client import SessionClientError
from ..assignment import Assignment
from .stop_signals import hold_stops

logger = logging.getLogger(__name__)

PROGRAM = f"{__package__.partition('.')[0]}.sessions.starts.wake"


def can_stay(manager: ManagerClient, assignment: Assignment) -> bool:
    """Return whether notices can still come, and open the next run.

    True also if the manager does not answer now: the program that waits tries again.
    """
    if assignment.run_token is None:
        return False
    try:
        outlook = manager.get_outlook(assignment.session_id, assignment.run)
        return has_prospects(outlook, assignment.run) and not was_asked_to_stop(manager, assignment)
    except SessionClientError as exc:
        return may_pass(exc)


def has_prospects(outlook: Json, run: int) -> bool:
    """Return whether notices can still come, and open the run after `run`."""
    return (
        outlook["held"] is None
        and outlook["newest_run"] == run
        and bool(outlook["awaited"] or outlook["undelivered"])
    )


def was_asked_to_stop(manager: ManagerClient, assignment: Assignment) -> bool:
    """Return whether the run was asked to stop, also if it ended before it read the request.

    Raises:
        SessionClientError: the request to the manager failed.
    """
    requests = manager.list_requests(assignment.session_id, assignment.run)
    return any(request["kind"] == "stop" for request in requests)


def stay(assignment: Assignment, entry: int, *, is_stopped: Callable[[], bool]) -> None:
    """Replace the program of this process; `entry` is the descriptor of its registry entry.

    Returns only if a stop was ordered, or if the program cannot be started. The new program
    unblocks the stop signals.
    """
    hold_stops()
    if is_stopped():
        return
    os.set_inheritable(entry, True)
    import tempfile  # late: few supervisors stay

    try:
        # A pipe could be too small for the environment of the agent.
        with tempfile.TemporaryFile() as assigned:
            assigned.write(replace(assignment, prompt="").to_json().encode())
            assigned.flush()
            assigned.seek(0)
            os.dup2(assigned.fileno(), 0)
        os.execv(sys.executable, [sys.executable, "-m", PROGRAM])
    except OSError as exc:
        logger.warning("the notices wait for the next resume: %s", exc)
