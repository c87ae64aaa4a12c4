"""Continuing a session with its next run."""

from __future__ import annotations

from collections.abc import Callable

from ...client.manager import Json, ManagerClient
from ..errors import SessionError
from .next_run import Given, find_continuation, find_process, make_room, plan_next
from .plan import check, refuse_doubtful
from .start import NewRun, start_next_run

INSTEAD = (
    "end it there, continue the session as another one with --fork NAME, or add --takeover, which "
    "does not end that program"
)
"""What to do about a session that a person has open."""


def resume_as_before(manager: ManagerClient, session: Json, prompt: str) -> Json:
    """Continue a session with a prompt and everything else as in its last run; return it.

    Raises:
        SessionError: the session runs, or the last run cannot be repeated unchanged.
    """
    spec = plan_next(manager, session, Given())
    check(spec, prompt)
    refuse_doubtful(spec, is_named=False)
    continues = find_continuation(manager, session, spec.executor, is_fork=False)
    return resume_session(manager, session, NewRun(prompt=prompt, spec=spec, continues=continues))


def resume_session(
    manager: ManagerClient,
    session: Json,
    new: NewRun,
    *,
    takeover: bool = False,
    before_start: Callable[[], None] = lambda: None,
) -> Json:
    """Start the next run of a session, and return the session.

    Raises:
        SessionRunningError: the session runs, and no takeover was requested.
        SessionError: a person has the session open, or no supervisor could be started.
    """
    make_room(manager, session, takeover=takeover)
    if not takeover and session["status"] != "running":
        _refuse_open(session, new)
    before_start()
    return start_next_run(manager, session, new, takeover=takeover)


def _refuse_open(session: Json, new: NewRun) -> None:
    process = find_process(session, new.spec.executor, new.continues)
    if process is not None:
        raise SessionError(
            f"session {session['session_name']!r} is open in a program that was started by hand on "
            f"this machine ({process}): {INSTEAD}"
        )
