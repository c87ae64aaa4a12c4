"""Following a session to the end of its run, as somebody who only watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from ..manager_client import Json, ManagerClient, may_pass
from ..session_client import SessionClientError
from .output import note

POLL_SECONDS = 0.25


def follow(
    manager: ManagerClient, session: Json, show: Callable[[Json], None], *, after_seq: int = 0
) -> Json:
    """Show every event past `after_seq` until the session's run has ended; return the session.

    An outage of the manager is waited out: the run goes on without it.
    """
    run = session["run"]
    told = False
    while True:
        try:
            session = manager.get_session(session["session_id"])
            for event in manager.iterate_events(session["session_id"], after_seq=after_seq):
                show(event)
                after_seq = event["seq"]
        except SessionClientError as exc:
            if not may_pass(exc):
                raise
            if not told:
                note(f"the manager cannot be reached, the run goes on: {exc}")
            told = True
        else:
            if session["status"] == "finished" or session["run"] > run:
                return session
        time.sleep(POLL_SECONDS)


def wait_for(
    manager: ManagerClient, sessions: list[Json], *, timeout_seconds: float | None
) -> Iterator[Json]:
    """Yield each session as its run ends; end early when the time is up.

    An outage of the manager is waited out.
    """
    told = False
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    waiting = {session["session_id"]: session for session in sessions}
    while waiting:
        for session_id in list(waiting):
            try:
                session = manager.get_session(session_id)
            except SessionClientError as exc:
                if not may_pass(exc):
                    raise
                if not told:
                    note(f"the manager cannot be reached, waiting for it: {exc}")
                told = True
                break
            if session["status"] == "finished":
                del waiting[session_id]
                yield session
        if waiting and deadline is not None and time.monotonic() >= deadline:
            return
        if waiting:
            time.sleep(POLL_SECONDS)


def wait_for_request(
    manager: ManagerClient, session: Json, request: Json, *, timeout_seconds: float
) -> Json:
    """Wait until a request is settled, its run has ended or the time is up; return it as it is."""
    deadline = time.monotonic() + timeout_seconds
    while request["state"] in ("pending", "acknowledged") and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        is_over = manager.get_session(session["session_id"])["status"] == "finished"
        requests = manager.list_requests(session["session_id"], request["run"])
        request = next(r for r in requests if r["request_id"] == request["request_id"])
        if is_over:
            break
    return request
