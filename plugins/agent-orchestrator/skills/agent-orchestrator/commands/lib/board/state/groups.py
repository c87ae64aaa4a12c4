"""The sessions of the board in three groups: the same ones in the same order as the page Now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...sessions.resolve import Session

NEEDING = ("asks", "failed", "denied", "quiet", "question")
"""Kinds of attention that need a person, the most urgent first."""
DONE = "done"
RUNNING = "running"
_SEEABLE = frozenset({"failed", "denied", "question", DONE})


@dataclass(frozen=True, kw_only=True)
class Place:
    """A session in a group, perhaps one whose end the person has marked as seen here."""

    session: Session
    is_seen: bool = False

    @property
    def kind(self) -> str:
        """The kind of its attention, or `running`."""
        return kind_of(self.session) or RUNNING


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The places of each group, and how many runs are open, also those without a place."""

    needs: tuple[Place, ...]
    running: tuple[Place, ...]
    done: tuple[Place, ...]
    open_runs: int

    @property
    def all(self) -> tuple[tuple[Place, ...], ...]:
        return (self.needs, self.running, self.done)


def kind_of(session: Session) -> str | None:
    """Return the kind of a session's attention."""
    attention: Any = session.get("attention")
    return str(attention["kind"]) if isinstance(attention, dict) and "kind" in attention else None


def is_seeable(session: Session) -> bool:
    """Return whether a person can mark the end of the newest run as seen."""
    return kind_of(session) in _SEEABLE


def is_shown(session: Session) -> bool:
    """Return whether a session belongs on the board."""
    is_open = session["status"] == "running"
    return session["archived_at"] is None and (is_open or kind_of(session) is not None)


def groups_of(sessions: Iterable[Session], seen: Mapping[str, Session]) -> Groups:
    """Return the groups. A session has one place, and a child none while its parent runs beside it.

    `seen` are sessions as they were when the person marked them. They keep their place until a
    newer state of them has one.
    """
    shown = [session for session in sessions if is_shown(session)]
    needs = [session for session in shown if kind_of(session) in NEEDING]
    done = [session for session in shown if kind_of(session) == DONE]
    runs = [session for session in shown if kind_of(session) is None]
    newest = {session["session_id"]: session["run"] for session in shown}
    kept = [s for s in seen.values() if newest.get(s["session_id"], -1) < s["run"]]
    open_ids = {session["session_id"] for session in runs}
    roots = [session for session in runs if session["parent_session_id"] not in open_ids]
    return Groups(
        needs=_places(needs, [s for s in kept if kind_of(s) != DONE], _by_urgency),
        running=_places(roots, [], lambda session: str(session["started_at"])),
        done=_places(done, [s for s in kept if kind_of(s) == DONE], since),
        open_runs=len(runs),
    )


def since(session: Session) -> str:
    """Return the time since which a session needs a person, is done, or runs."""
    if kind_of(session) is None:
        return str(session["started_at"])
    return str(session["attention"].get("since") or session["last_activity_at"])


def _places(
    sessions: list[Session], seen: list[Session], newest: Callable[[Session], str]
) -> tuple[Place, ...]:
    """Return places in descending order of a text, and sessions of the same text by their ids."""
    places = [
        *(Place(session=session) for session in sessions),
        *(Place(session=session, is_seen=True) for session in seen),
    ]
    places.sort(key=lambda place: str(place.session["session_id"]))
    return tuple(sorted(places, key=lambda place: newest(place.session), reverse=True))


def _by_urgency(session: Session) -> str:
    """Return a text that is greater for the more urgent kind, and for the newer session of it."""
    urgency = len(NEEDING) - NEEDING.index(str(kind_of(session)))
    return f"{urgency}{since(session)}"
