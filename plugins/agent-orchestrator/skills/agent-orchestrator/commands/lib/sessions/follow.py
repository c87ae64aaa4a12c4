"""Following a session to the end of its run, as somebody who only watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

from ..client.errors import may_pass
from ..client.follow import follow_session, follow_states
from ..client.manager import Json, ManagerClient
from ..session_client import SessionClientError

WAIT_SECONDS = 3.0
"""At once for one answer: less than the client waits for it."""
PAUSE_SECONDS = 0.2
"""Before a manager is asked again that is away, or had nothing new to tell."""
SETTLED = ("done", "refused", "expired")


def follow(
    manager: ManagerClient,
    session: Json,
    show: Callable[[Json], None],
    *,
    on_outage: Callable[[Exception], None],
    after_seq: int = 0,
) -> Json:
    """Show every event past `after_seq` until the session's run has ended; return the session.

    An outage of the manager is told and waited out: the run goes on without it.
    """
    newer: Json | None = None
    frames = follow_session(
        manager,
        session,
        after_seq=after_seq,
        on_outage=on_outage,
    )
    with closing(frames):
        for frame in frames:
            if frame.name == "event":
                show(frame.content)
                after_seq = frame.content["seq"]
            elif frame.name == "end":
                return frame.session
            elif newer is None and frame.session["run"] > session["run"]:
                newer = frame.session
            # A newer run may have begun before all events of this one are here.
            if newer is not None and after_seq >= newer["last_seq"]:
                return newer
    raise AssertionError("a feed goes on to its end")


def wait_for(
    manager: ManagerClient,
    sessions: list[Json],
    *,
    timeout_seconds: float | None,
    on_outage: Callable[[Exception], None],
) -> Iterator[Json]:
    """Yield each session as its run ends; end early when the time is up.

    An outage of the manager is waited out.
    """
    waiting = {session["session_id"]: session for session in sessions}
    states = follow_states(
        manager,
        waiting,
        deadline=None if timeout_seconds is None else time.monotonic() + timeout_seconds,
        on_outage=on_outage,
    )
    with closing(states):
        for session in states:
            if session["status"] == "finished" and waiting.pop(session["session_id"], None):
                yield session
            if not waiting:
                return


def wait_for_request(
    manager: ManagerClient, session: Json, request: Json, *, timeout_seconds: float
) -> Json:
    """Wait until a request is settled, its run has ended or the time is up; return it as it is.

    An outage of the manager is waited out.
    """
    deadline = time.monotonic() + timeout_seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            request = manager.get_request(
                session["session_id"],
                request["run"],
                request["request_id"],
                wait_seconds=min(left, WAIT_SECONDS),
            )
            if request["state"] in SETTLED or _has_ended(manager, request, session["session_id"]):
                break
        except SessionClientError as exc:
            if not may_pass(exc):
                raise
        # A manager that stops answers everybody at once, whatever they wait for.
        time.sleep(min(left, PAUSE_SECONDS))
    return request


def _has_ended(manager: ManagerClient, request: Json, session_id: str) -> bool:
    """Whether nobody takes a request any more: one to a run that was lost stays as it is."""
    session = manager.get_session(session_id)
    return bool(session["status"] == "finished" or session["run"] > request["run"])
