"""Stopping the runs of sessions, with what dead supervisors have left on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..client.manager import Json, ManagerClient
from ..machine.environment import state_dir
from ..runs.registry import Registered
from ..runs.stop import (
    clear_dead,
    deliver_left,
    find_registered,
    request_stop,
    signal_supervisor,
    wait_for_supervisor,
)
from ..shared.plurals import counted
from .follow import wait_for

LOOK_SECONDS = 2.0
"""Pause between two looks for supervisors that die while we wait for them."""

Tell = Callable[[str], None]


def stop_sessions(
    manager: ManagerClient, sessions: list[Json], *, timeout_seconds: float, tell: Tell
) -> list[Json]:
    """Stop the newest runs of sessions, and return the sessions that have ended in time.

    `tell` gets a sentence about each supervisor that died or cannot be signalled from here, and
    about an outage of the manager.

    Raises:
        SessionClientError: the manager refuses a request, or cannot be reached for it.
    """
    state = state_dir()
    asked: list[Registered] = []
    for session in sessions:
        _clear(manager, session, state, tell)
        if session["status"] == "running":
            request_stop(manager, session, state)
        else:  # its supervisor may live: it was lost, or waits for notices, or is about to
            asked += [
                entry
                for entry in find_registered(state, session_id=session["session_id"])
                if session["reason"] == "lost" or entry.run.waits or entry.is_supervised
            ]
    heard = [ask_supervisor(entry, tell) for entry in asked]
    gone = [
        is_asked and wait_for_supervisor(entry, state, timeout_seconds=timeout_seconds)
        for entry, is_asked in zip(asked, heard, strict=True)
    ]
    # Such a supervisor may have opened the next run just before it was asked.
    for session in (manager.get_session(entry.run.session_id) for entry in asked):
        if session["status"] == "running":
            request_stop(manager, session, state)
    ended = list(_wait(manager, sessions, state, tell, timeout_seconds=timeout_seconds))
    left = {e.run.session_id for e, is_gone in zip(asked, gone, strict=True) if not is_gone}
    return [session for session in ended if session["session_id"] not in left]


def _clear(manager: ManagerClient, session: Json, state: Path, tell: Tell) -> None:
    """Clean up after dead supervisors of a session."""
    count = clear_dead(manager, session, state)
    if count is not None:
        tell(
            f"the supervisor of {session['session_name']!r} had died: "
            f"{counted(count, 'process')} stopped"
        )


def _wait(
    manager: ManagerClient,
    sessions: list[Json],
    state: Path,
    tell: Tell,
    *,
    timeout_seconds: float,
) -> Iterator[Json]:
    """Yield each session as it ends, or as its supervisor here is found dead."""
    deadline = time.monotonic() + timeout_seconds
    left = {session["session_id"]: session for session in sessions}
    is_told = False

    def tell_outage(error: Exception) -> None:
        nonlocal is_told
        if not is_told:
            is_told = True
            tell(f"the manager cannot be reached, waiting for it: {error}")

    while left:
        seconds = min(LOOK_SECONDS, max(0.0, deadline - time.monotonic()))
        waiting = [*left.values()]
        for session in wait_for(manager, waiting, timeout_seconds=seconds, on_outage=tell_outage):
            del left[session["session_id"]]
            yield session
        if time.monotonic() >= deadline:
            return
        for session in left.values():
            _clear(manager, session, state, tell)
            deliver_left(manager, session, state)


def ask_supervisor(entry: Registered, tell: Tell) -> bool:
    """Signal a supervisor to stop. Return whether it could be signalled from here."""
    if signal_supervisor(entry):
        return True
    tell(
        f"the supervisor of {entry.run.session_name!r} runs on {entry.run.host}, in another "
        f"container or machine: stop it there: ao-stop {entry.run.session_id}"
    )
    return False
