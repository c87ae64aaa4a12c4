"""The base of all changes: units of a commit, each with the type of its outcome."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from agent_session_manager.domain.errors import OrchestratorError

T = TypeVar("T")


class Change(Generic[T]):
    """A change of the record. `T` is the type of its outcome if it is not refused."""

    def changed_sessions(self, outcome: T) -> Collection[str]:
        """Return the ids of the changed sessions, whose followers must read again."""
        return ()


@dataclass(frozen=True, kw_only=True)
class SessionChange(Change[T]):
    """A change of one session."""

    session_id: str

    def changed_sessions(self, outcome: T) -> Collection[str]:
        return (self.session_id,)


class SessionsChange(Change[list[str]]):
    """A change of several sessions. Its outcome is the ids of the changed sessions."""

    def changed_sessions(self, outcome: list[str]) -> Collection[str]:
        return outcome


def changed_sessions(changes: Sequence[Change[Any]], outcomes: Sequence[Any]) -> set[str]:
    """Return the ids of the sessions that a commit changed. Refused changes do not count."""
    changed: set[str] = set()
    for change, outcome in zip(changes, outcomes, strict=True):
        if not isinstance(outcome, OrchestratorError):
            changed.update(change.changed_sessions(outcome))
    return changed
