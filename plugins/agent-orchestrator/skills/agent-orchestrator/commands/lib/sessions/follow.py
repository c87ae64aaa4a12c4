"""Following sessions and requests to their end, without changing them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

from ..client.errors import may_pass
from ..client.follow import follow_list, follow_session, follow_states
from ..client.manager import Json, ManagerClient
from ..session_client import SessionClientError
from .listing import Listing, needs_person

WAIT_SECONDS = 3.0
"""The longest wait of one request, shorter than the client's timeout."""
PAUSE_SECONDS = 0.2
"""Pause before the next request to a manager that had no news or did not answer."""
SETTLED = ("done", "refused", "expired")


def is_finished(session: Json) -> bool:
    return bool(session["status"] == "finished")


def is_waiting(session: Json) -> bool:
    """Return whether a session waits for a person, or no longer runs."""
    return is_finished(session) or bool(session.get("waiting_questions"))


def follow(
    manager: ManagerClient,
    session: Json,
    show: Callable[[Json], None],
    *,
    on_outage: Callable[[Exception], None],
    after_seq: int = 0,
) -> Json:
    """Show every event past `after_seq` until the session's run has ended; return the session.

    During an outage of the manager, call `on_outage` and wait. The run continues without it.
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
            # A newer run may begin before all events of this run have arrived.
            if newer is not None and after_seq >= newer["last_seq"]:
                return newer
    raise AssertionError("the feed stopped without an `end` frame")


def follow_many(
    manager: ManagerClient,
    places: Mapping[str, int],
    show: Callable[[Json], None],
    *,
    on_outage: Callable[[Exception], None],
) -> None:
    """Show the events of several sessions past their places until their runs have ended.

    During an outage of the manager, call `on_outage` and wait.
    """
    left = dict(places)

    def look(session_id: str) -> None:
        session = manager.get_session(session_id)
        for event in manager.iterate_events(session_id, after_seq=left[session_id]):
            show(event)
            left[session_id] = event["seq"]
        if is_finished(session) and left[session_id] >= session["last_seq"]:
            del left[session_id]

    with closing(follow_list(manager, on_outage=on_outage)) as frames:
        for frame in frames:
            changed = list(left) if frame.name == "ready" else [frame.content.get("session_id")]
            if frame.name in ("session_created", "session_updated"):
                changed = [frame.session["session_id"]]
            for session_id in changed:
                if session_id in left:
                    look(session_id)
            if not left:
                return


def wait_for(
    manager: ManagerClient,
    sessions: list[Json],
    *,
    timeout_seconds: float | None,
    on_outage: Callable[[Exception], None],
    is_reached: Callable[[Json], bool] = is_finished,
) -> Iterator[Json]:
    """Yield each session as its run ends, or `is_reached`; stop early at the timeout.

    During an outage of the manager, wait.
    """
    waiting = {session["session_id"]: session for session in sessions}
    if not waiting:
        return
    states = follow_states(
        manager,
        waiting,
        deadline=None if timeout_seconds is None else time.monotonic() + timeout_seconds,
        on_outage=on_outage,
    )
    with closing(states):
        for session in states:
            if is_reached(session) and waiting.pop(session["session_id"], None) is not None:
                yield session
            if not waiting:
                return


def wait_for_attention(
    manager: ManagerClient,
    *,
    timeout_seconds: float | None,
    on_outage: Callable[[Exception], None],
) -> list[Json]:
    """Return the sessions that need a person, as soon as there is one; none at the timeout.

    During an outage of the manager, wait.
    """
    expected = Listing(where={"archived": "false"}, needs_person=True)
    if timeout_seconds == 0:
        return list(expected.read(manager))
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    frames = follow_list(manager, on_outage=on_outage, deadline=deadline)
    with closing(frames):
        for frame in frames:
            if frame.name == "ready":
                found = list(expected.read(manager))
            else:
                is_deleted = frame.name == "session_deleted"
                session = None if is_deleted else frame.session
                found = [session] if session and needs_person(session) else []
            if found:
                return found
    return []


def wait_for_request(
    manager: ManagerClient, session: Json, request: Json, *, timeout_seconds: float
) -> Json:
    """Wait until a request is settled, its run has ended or the timeout is over; return it.

    During an outage of the manager, wait.
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
        # A manager that is stopping answers all waiting clients at once.
        time.sleep(min(left, PAUSE_SECONDS))
    return request


def _has_ended(manager: ManagerClient, request: Json, session_id: str) -> bool:
    """Return whether the request's run has ended: a request to a lost run is never settled."""
    session = manager.get_session(session_id)
    return bool(session["status"] == "finished" or session["run"] > request["run"])
