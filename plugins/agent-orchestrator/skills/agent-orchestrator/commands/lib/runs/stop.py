"""Stops runs, and stops the processes that they left on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from ..client.errors import LOST_CODES
from ..client.manager import Json, ManagerClient
from ..events.prepare import create_event
from ..machine.environment import outbox_dir
from ..session_client import SessionClientError
from ..shared.place import terminate
from .registry import Registered, forget, list_registered, spared_pids

POLL_SECONDS = 0.1


def request_stop(manager: ManagerClient, session: Json, state: Path) -> bool:
    """Ask the newest run of a session to stop; return whether it was still open.

    Its supervisor is also signalled if it is on this machine. So a run whose token the manager
    refuses, and which cannot read the request, stops too.

    Raises:
        SessionClientError: the request to the manager failed.
    """
    try:
        manager.create_request(session["session_id"], session["run"], str(uuid4()), "stop")
    except SessionClientError as exc:
        if exc.code not in LOST_CODES:
            raise
        return False
    for entry in find_registered(state, session_id=session["session_id"]):
        if entry.run.run == session["run"] and entry.is_supervised:
            signal_supervisor(entry)
    return True


def signal_supervisor(entry: Registered) -> bool:
    """Signal a supervisor to stop.

    Returns whether the supervisor is in our namespace, where its process id is valid.
    """
    if entry.is_here:
        terminate(entry.run.pid, entry.is_unchanged)
    return entry.is_here


def wait_for_supervisor(entry: Registered, state: Path, *, timeout_seconds: float) -> bool:
    """Wait until a supervisor has released its run; return False on a timeout.

    After the release no process of the run is left.
    """
    deadline = time.monotonic() + timeout_seconds
    while any(e.path == entry.path and e.is_supervised for e in list_registered(state)):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def find_registered(state: Path, *, session_id: str) -> Iterator[Registered]:
    """Yield the runs of a session that are registered on this machine."""
    return (entry for entry in list_registered(state) if entry.run.session_id == session_id)


def clear_dead(manager: ManagerClient, session: Json, state: Path) -> int | None:
    """Stop the processes that dead supervisors of a session left, and record its end.

    What they recorded is delivered first: the true end may be among it. An agent may do neither for
    another session, so inside a run the session is lost when its lease expires. Returns the number
    of these processes; None if no supervisor died.
    """
    dead = [
        entry for entry in find_registered(state, session_id=session["session_id"]) if entry.is_dead
    ]
    if not dead:
        return None
    count = sum(clear_remains(entry, state) for entry in dead)
    if manager.is_of_a_run:
        return count
    from .delivery import deliver_leftovers  # slow to import, and rarely needed

    deliver_leftovers(manager, outbox_dir(state))
    session = manager.get_session(session["session_id"])
    if session["status"] == "running" and any(e.run.run == session["run"] for e in dead):
        stop = create_event("session_stop", reason="lost", error="its supervisor died")
        manager.append_events(session["session_id"], [{**stop, "run": session["run"]}])
    return count


def deliver_left(manager: ManagerClient, session: Json, state: Path) -> None:
    """Deliver what a supervisor of this machine could not deliver of a session before it ended."""
    from ..outbox.files import list_outboxes  # slow to import, and rarely needed

    prefix = f"{session['session_id']}."
    if manager.is_of_a_run or not any(
        path.name.startswith(prefix) for path in list_outboxes(outbox_dir(state))
    ):
        return
    from .delivery import deliver_leftovers  # slow to import, and rarely needed

    deliver_leftovers(manager, outbox_dir(state))


def clear_remains(entry: Registered, state: Path) -> int:
    """Stop the processes of a run whose supervisor is dead, and return their number."""
    import asyncio  # slow to import, and rarely needed

    from ..machine.processes import RunProcesses

    remains = RunProcesses(None, entry.run.marker, lambda: spared_pids(state))
    count = len(remains.find())
    if count:
        asyncio.run(remains.stop())
    forget(entry)
    return count
