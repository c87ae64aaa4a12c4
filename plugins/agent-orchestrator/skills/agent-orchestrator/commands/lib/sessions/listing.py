"""Lists of sessions: what commands select, as filters of the manager."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ..client.manager import ManagerClient
from .resolve import Session

STATES = ("running", "waiting", "finished", "failed", "stopped", "timeout", "budget", "lost")
SORTS = ("created", "activity", "name", "cost")
_REASONS = ("failed", "timeout", "budget")
"""Words of `state_of` for which the manager has one state, so that it filters by the reason."""
NEEDING = ("asks", "failed", "denied", "quiet", "question")
"""Kinds of attention that need a person: more than a look at a good end."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The sessions to list: in the words of the manager's filters, and of `state_of`."""

    where: dict[str, str] = field(default_factory=dict)
    state: str | None = None
    needs_person: bool = False
    since: datetime | None = None
    """Only sessions with activity since."""
    limit: int | None = None

    def read(self, manager: ManagerClient) -> Iterator[Session]:
        """Yield the sessions, in the order of the manager."""
        where: dict[str, str | Sequence[str]] = {**self.where}
        if self.state is not None:
            where["reason" if self.state in _REASONS else "state"] = self.state
        if self.needs_person:
            where["attention"] = NEEDING
        if self.since is not None:
            where["since"] = self.since.astimezone(UTC).isoformat()
        return manager.find_sessions(limit=self.limit, **where)

    def has(self, manager: ManagerClient, session: Session) -> bool:
        """Return whether a session is in the list, whatever the limit."""
        own = {**self.where, "id_prefix": session["session_id"]}
        only = replace(self, where=own, limit=None)
        return any(each["session_id"] == session["session_id"] for each in only.read(manager))


def needs_person(session: Session) -> bool:
    """Return whether a session expects something of a person: more than a look at a good end."""
    attention = session.get("attention")
    return isinstance(attention, dict) and attention.get("kind") in NEEDING
