"""Watching a run from the terminal that started it, to its end."""

from __future__ import annotations

import sys
from typing import Any

from ...client.errors import NO_RESULT
from ...client.manager import Json, ManagerClient
from ...machine.environment import parent_session_id, state_dir
from ...runs.stop import find_registered, request_stop, signal_supervisor
from ...session_client import SessionClientError
from ...sessions.follow import follow
from ..command import DONE, FAILED, CommandError
from ..events.progress import progress
from ..terminal.output import answer, answer_json, discard, note, tell_outage
from .ask_here import asking_here
from .interrupts import release_interrupts
from .next_steps import ChangedFiles, tell_end

_CONTINUE = "; ao-resume continues it"
_WORDS = {
    "budget": ("reached a limit", _CONTINUE),
    "timeout": ("reached its time limit", _CONTINUE),
    "lost": ("was lost", ""),
}
"""How a run ended where its reason is not a verb, and what to do next."""


def watch(manager: ManagerClient, session: Json, *, as_json: bool) -> int:
    """Follow the run to its end, print its result, and return the exit code.

    The first Ctrl-C asks the run to stop, a second one stops only the watching. Inside a run,
    SIGINT comes from the end of that run. A session that its agent has started then continues.
    """
    asked = False
    end: dict[str, Any] = {}
    after_seq = session["last_seq"]
    files = ChangedFiles()
    with (
        progress(session["session_name"]) as display,
        asking_here(manager, session, display) as questions,
    ):

        def look(event: dict[str, Any]) -> None:
            nonlocal after_seq
            after_seq = event["seq"]
            if event["event_type"] == "session_stop" and event["run"] == session["run"]:
                end.update(event)
            display.show(event)
            files.see(event)
            if questions is not None:
                questions.see(event)

        try:
            release_interrupts()
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
                what = "is stopping" if asked else "continues: stop it with ao-stop"
                raise CommandError(
                    f"stopped waiting; session {session['session_name']!r} {what}"
                ) from None
    if ended["run"] > session["run"]:
        reason = end.get("reason", "lost")
        note(f"session {ended['session_name']!r} ({reason}) continues in run {ended['run']}")
        return DONE if reason == "completed" else FAILED
    exit_code = _report(manager, ended, end.get("error"), as_json=as_json)
    tell_end(session, ended, files)
    return exit_code


def _ask_to_stop(manager: ManagerClient, session: Json) -> None:
    try:
        request_stop(manager, session, state_dir())
    except SessionClientError:  # without the manager, signal the supervisor on this machine
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
    except BrokenPipeError:  # the reader has closed the pipe; still report how the run ended
        discard(sys.stdout)
    if session["reason"] == "completed":
        return DONE
    why = error or ("its supervisor is gone" if session["reason"] == "lost" else "reason unknown")
    how, hint = _WORDS.get(session["reason"], (session["reason"], ""))
    note(f"session {session['session_name']!r} {how}: {why}{hint}")
    return FAILED
