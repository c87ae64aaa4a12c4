"""Lists of sessions: the filters of the manager, and those that are applied here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
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
    since: datetime | None = None
    """Only sessions with activity since."""
    limit: int | None = None

    def read(self, manager: ManagerClient) -> Iterator[Session]:
        """Yield the sessions, in the order of the manager."""
        where = {**self.where}
        if self.state is not None:
            where["state"] = _OF_STATE.get(self.state, self.state)
        # The manager's `failed` includes other words, so its sessions are counted here.
        is_counted_here = self.since is not None or where.get("state") == "failed"
        found = manager.find_sessions(limit=None if is_counted_here else self.limit, **where)
        return islice(filter(self._is_meant, found), self.limit)

    def has(self, manager: ManagerClient, session: Session) -> bool:
        """Return whether a session is in the list, whatever the limit."""
        only = Listing(
            where={**self.where, "id_prefix": session["session_id"]},
            state=self.state,
            since=self.since,
        )
        return any(each["session_id"] == session["session_id"] for each in only.read(manager))

    def _is_meant(self, session: Session) -> bool:
        return self.state in (None, state_of(session)) and _is_since(session, self.since)


def _is_since(session: Session, since: datetime | None) -> bool:
    if since is None:
        return True
    return datetime.fromisoformat(session["last_activity_at"]) >= since.astimezone(UTC)
