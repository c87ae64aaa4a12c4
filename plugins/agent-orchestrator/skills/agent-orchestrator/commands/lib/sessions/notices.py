"""Description of the notices for a session that its agent does not have yet."""

from __future__ import annotations

from ..client.manager import Json
from ..machine.environment import host, state_dir
from ..shared.plurals import counted
from .resolve import is_by_hand

_WHY = {
    "archived": "it is archived",
    "limit": "it has had too many automatic runs",
    "lost": "it was lost",
}


def notices_of(session: Json) -> str | None:
    """Return which notices wait for the agent of a session, and what to do about it, if any do."""
    count = session.get("undelivered_notices", 0)
    if not count:
        return None
    text = f"{session['session_name']!r}: {counted(count, 'notice')} of ended sessions below it"
    if agent := _not_resumed(session):
        return (
            f"{text} wait, and {agent} is not resumed: tell it yourself in a terminal, where "
            "ao-resume says how to continue it"
        )
    if is_by_hand(session):
        return f"{text} wait for its next ao-resume, as a person works in it by hand"
    held = session.get("notices_held")
    if held is not None:
        why = _WHY.get(held, f"it ended as {held}")
        return f"{text} wait for its next ao-resume, as {why}"
    if session["status"] == "running":
        return f"{text} are on their way to its agent"
    is_here = session["host"] in (None, host())
    if is_here and not _is_waited_for(session["session_id"]):
        return f"{text} wait, and no supervisor does: ao-resume it"
    return f"{text} will be the prompt of its next run"


def _not_resumed(session: Json) -> str | None:
    """Return the name of an agent that would lose its conversation, unless a run of it is open."""
    # Late: few sessions have notices.
    from ..executors.base import ExecutorError
    from ..runs.executor_table import find_executor

    try:
        kind = find_executor(str(session["executor"]))
    except ExecutorError:  # it is not known here
        return None
    return kind.agent if kind.continue_with and session["status"] != "running" else None


def _is_waited_for(session_id: str) -> bool:
    from ..runs.stop import find_registered  # late, as above

    entries = find_registered(state_dir(), session_id=session_id)
    return any(entry.is_supervised for entry in entries)
