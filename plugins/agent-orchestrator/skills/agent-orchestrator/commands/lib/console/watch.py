"""Watching a run from the terminal that started it, to its end."""

from __future__ import annotations

import signal
import sys
from typing import Any

from ..client.errors import NO_RESULT
from ..client.manager import Json, ManagerClient
from ..machine.environment import parent_session_id, state_dir
from ..runs.stop import find_registered, request_stop, signal_supervisor
from ..session_client import SessionClientError
from ..sessions.follow import follow
from .command import DONE, FAILED, CommandError
from .output import answer, answer_json, discard, note, tell_outage
from .progress import progress


class _HeldInterrupts:
    """A SIGINT handler for the time between a run's creation and our being ready to stop it.

    Its program, which execs, does not inherit it. `release` is the Ctrl-C that came meanwhile.
    """

    came = False

    def __call__(self, *_: object) -> None:
        self.came = True

    @staticmethod
    def release() -> None:
        held = signal.signal(signal.SIGINT, signal.default_int_handler)
        if isinstance(held, _HeldInterrupts) and held.came:
            raise KeyboardInterrupt


def hold_interrupts() -> None:
    """Hold Ctrl-C back until `watch` can stop the run that is about to be opened."""
    signal.signal(signal.SIGINT, _HeldInterrupts())


def watch(manager: ManagerClient, session: Json, *, as_json: bool) -> int:
    """Follow the run to its end, print its result, and return the exit code.

    The first Ctrl-C asks the run to stop, a second one stops only the watching. Inside a run it is
    that one's end and nobody's Ctrl-C: a session that an agent has started goes on.
    """
    asked = False
    end: dict[str, Any] = {}
    after_seq = session["last_seq"]
    with progress(session["session_name"]) as show:

        def look(event: dict[str, Any]) -> None:
            nonlocal after_seq
            after_seq = event["seq"]
            if event["event_type"] == "session_stop" and event["run"] == session["run"]:
                end.update(event)
            show(event)

        try:
            _HeldInterrupts.release()
            ended = follow(manager, session, look, after_seq=after_seq, on_outage=tell_outage)
        except KeyboardInterrupt:
            try:
                if parent_session_id() is not None:
                    raise
                _ask_to_stop(manager, session)
                asked = True
                note("stopping; Ctrl-C again stops the waiting only")
                ended = follow(manager, session, look, after_seq=after_seq, on_outage=tell_outage)
            except KeyboardInterrupt:
                what = "is stopping" if asked else "goes on: ao-stop stops it"
                raise CommandError(
                    f"not waiting any more; session {session['session_name']!r} {what}"
                ) from None
    if ended["run"] > session["run"]:
        reason = end.get("reason", "lost")
        note(f"session {ended['session_name']!r} {reason}: run {ended['run']} continues it")
        return DONE if reason == "completed" else FAILED
    return _report(manager, ended, end.get("error"), as_json=as_json)


def _ask_to_stop(manager: ManagerClient, session: Json) -> None:
    try:
        request_stop(manager, session)
    except SessionClientError:  # the manager is away: the supervisor is on this machine
        for entry in find_registered(state_dir(), session_id=session["session_id"]):
            signal_supervisor(entry)


def _report(manager: ManagerClient, session: Json, error: str | None, *, as_json: bool) -> int:
    try:
        result = manager.get_result(session["session_id"])
    except SessionClientError as exc:
        if exc.code != NO_RESULT:
            raise
        result = None
    try:
        if as_json:
            answer_json({**session, "result": result, "error": error})
        else:
            answer(result or "")
    except BrokenPipeError:  # nobody reads it to its end; how the run ended is told all the same
        discard(sys.stdout)
    if session["reason"] == "completed":
        return DONE
    why = error or ("its supervisor is gone" if session["reason"] == "lost" else "unknown why")
    note(f"session {session['session_name']!r} {session['reason']}: {why}")
    return FAILED
