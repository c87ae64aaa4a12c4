"""A session as a row of the board: who, why, since when, and its cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any

from ...client.manager import Json
from ...console.events.progress import gist
from ...console.tables.sessions import cost
from ...console.terminal.output import ago
from ...sessions.question_words import title_of
from ...sessions.resolve import Session
from ...shared.plurals import counted
from ..state.groups import RUNNING, Place, since
from .line import shown

SIGNS = {
    "asks": ("?", "asks"),
    "failed": ("✕", "failed"),
    "denied": ("⊘", "warn"),
    "quiet": ("…", "warn"),
    "question": ("?", "warn"),
    RUNNING: ("◌", "running"),
    "done": ("✓", "done"),
}
"""The sign of each kind, and its look."""

_ENDS = {
    "timeout": "the time limit was reached",
    "budget": "the budget was used up",
    "lost": "the run was lost: its lease expired",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """The texts of a row, without control characters."""

    session_id: str
    sign: str
    look: str
    name: str
    project: str
    why: str
    cost: str
    age: str
    is_seen: bool


def row_of(place: Place, questions: Sequence[Json], call: str | None, now: datetime) -> Row:
    """Return the row of a place, with its open questions and its newest call, if they are known."""
    session = place.session
    sign, look = SIGNS.get(place.kind, ("·", ""))
    if place.kind == RUNNING:
        why = "no tool call yet" if call is None else call
    else:
        why = reason_of(session, now, questions)
    words = ("seen" if place.is_seen else "", shown(why), children_of(session))
    return Row(
        session_id=session["session_id"],
        sign=sign,
        look=look,
        name=shown(session["session_name"]),
        project=shown(PurePath(session["project_dir"] or "").name),
        why=" · ".join(part for part in words if part),
        cost=cost(session),
        age=ago(since(session), now=now),
        is_seen=place.is_seen,
    )


def reason_of(session: Session, now: datetime, questions: Sequence[Json] = ()) -> str:
    """Return what a session expects of a person, such as `asks: staging or production?`."""
    attention: dict[str, Any] = session["attention"]
    text = str(attention.get("text") or "")
    match attention.get("kind"):
        case "asks" if questions:
            return _question_of(questions[0]["event"])
        case "asks":
            return f"asks: {text}" if text else "asks"
        case "failed":
            return text or _failure_of(session)
        case "denied":
            count = session.get("denied_calls") or 1
            denied = f"{counted(count, 'call')} {'was' if count == 1 else 'were'} denied"
            return f"{denied}: {text}" if text else denied
        case "quiet":
            quiet = f"quiet for {ago(since(session), now=now)}"
            return f"{quiet}; newest: {text}" if text else quiet
        case "question":
            return f"perhaps asks: “{text}”"
        case _:
            return f"“{text}”" if text else "ended without a text"


def _question_of(event: Json) -> str:
    if event.get("items"):
        return f"asks: {title_of(event)}"
    call = "" if event.get("title") else gist(event.get("tool_input"))
    return f"asks for permission: {': '.join(filter(None, (title_of(event), call)))}"


def _failure_of(session: Session) -> str:
    if words := _ENDS.get(str(session["reason"])):
        return words
    code = session.get("exit_code")
    return "failed without a reason" if code is None else f"failed with exit code {code}"


def children_of(session: Session) -> str:
    """Return the numbers of waiting, failed and running sessions below a session."""
    waiting, failed, running = (
        int(session.get(f"children_{state}") or 0) for state in ("waiting", "failed", "running")
    )
    counts = {"waiting": waiting, "failed": failed, "running": running - waiting}
    states = [f"{count} {state}" for state, count in counts.items() if count > 0]
    if not states:
        return ""
    own = int(session.get("child_count") or 0)
    children = f"{own:,} {'child' if own == 1 else 'children'}"
    # The states also count the children of children.
    whose = children if sum(counts.values()) <= own else f"{children} and theirs"
    return f"{whose}: {', '.join(states)}"
