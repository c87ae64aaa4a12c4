"""Asking runs to stop, and seeing to it that nothing of them is left on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from .manager_client import LOST_CODES, Json, ManagerClient
from .processes import RunProcesses
from .registry import Registered, forget, list_registered, spared_pids
from .session_client import SessionClientError


def request_stop(manager: ManagerClient, session: Json) -> bool:
    """Ask the newest run of a session to stop; return whether it was still open.

    Raises:
        SessionClientError: the manager cannot be asked.
    """
    try:
        manager.create_request(session["session_id"], session["run"], str(uuid4()), "stop")
    except SessionClientError as exc:
        if exc.code not in LOST_CODES:
            raise
        return False
    return True


def signal_supervisor(entry: Registered) -> None:
    """Ask a supervisor of this machine itself: what is left when the manager cannot be asked."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(entry.run.pid, signal.SIGTERM)


def find_registered(state: Path, *, session_id: str) -> Iterator[Registered]:
    """The runs of a session that are registered on this machine."""
    return (entry for entry in list_registered(state) if entry.run.session_id == session_id)


def clear_remains(entry: Registered, state: Path) -> int:
    """Stop what a run has left whose supervisor is dead; return how many processes that were."""
    remains = RunProcesses(None, entry.run.marker, lambda: spared_pids(state))
    count = len(remains.find())
    if count:
        asyncio.run(remains.stop())
    forget(entry)
    return count
