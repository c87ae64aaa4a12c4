"""Lists of sessions: the filters of the manager, and those that are applied here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice

from ..client.manager import ManagerClient
from .resolve import Session, state_of

STATES = ("running", "waiting", "finished", "failed", "stopped", "timeout", "budget", "lost")
SORTS = ("created", "activity", "name", "cost")
_OF_STATE = {"timeout": "failed", "budget": "failed"}
"""States of the manager that cover several words of `state_of`."""


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
        where = {**self.where}
        if self.state is not None:
            where["state"] = _OF_STATE.get(self.state, self.state)
        if self.needs_person:
            where["attention"] = "any"
        if self.since is not None:
            where["since"] = self.since.astimezone(UTC).isoformat()
        # The manager's `failed` and `any` include others, so those sessions are counted here.
        is_counted_here = where.get("state") == "failed" or self.needs_person
        found = manager.find_sessions(limit=None if is_counted_here else self.limit, **where)
        return islice(filter(self._is_meant, found), self.limit)

    def has(self, manager: ManagerClient, session: Session) -> bool:
        """Return whether a session is in the list, whatever the limit."""
        own = {**self.where, "id_prefix": session["session_id"]}
        only = replace(self, where=own, limit=None)
        return any(each["session_id"] == session["session_id"] for each in only.read(manager))

    def _is_meant(self, session: Session) -> bool:
        is_expected = not self.needs_person or needs_person(session)
        is_in_state = self.state in (None, state_of(session))
        return is_expected and is_in_state


def needs_person(session: Session) -> bool:
    """Return whether a session expects something of a person: more than a look at a good end."""
    attention = session.get("attention")
    return isinstance(attention, dict) and attention.get("kind") != "done"
