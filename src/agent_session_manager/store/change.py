"""What a change is: a unit of a commit, with the type of its outcome."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from agent_session_manager.domain.errors import OrchestratorError

T = TypeVar("T")


class Change(Generic[T]):
    """A change of the record. `T` is the type of its outcome, where it is not refused."""

    def changed_sessions(self, outcome: T) -> Collection[str]:
        """Return the ids of the sessions that were changed: their followers read again."""
        return ()


@dataclass(frozen=True, kw_only=True)
class SessionChange(Change[T]):
    """A change of one session."""

    session_id: str

    def changed_sessions(self, outcome: T) -> Collection[str]:
        return (self.session_id,)


def changed_sessions(changes: Sequence[Change[Any]], outcomes: Sequence[Any]) -> set[str]:
    """Return the ids of the sessions that a commit changed; a refused change has changed none."""
    changed: set[str] = set()
    for change, outcome in zip(changes, outcomes, strict=True):
        if not isinstance(outcome, OrchestratorError):
            changed.update(change.changed_sessions(outcome))
    return changed
