"""Alerts in a store: the changes of their delivery, and the read of those that are due.

An alert is stored in the commit of the question, the end or the loss of a run that it reports, once
for each target that wants it. It is due until it is delivered or given up: at least once, with the
same id, and after the earlier alerts of its session. It is deleted with its session.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from agent_session_manager.domain.sessions.alert import Alert, AlertState
from agent_session_manager.store.change import Change


@dataclass(frozen=True, kw_only=True)
class SettleAlert(Change[AlertState | None]):
    """Record an attempt to deliver an alert, and delete old ones.

    A failed alert waits for the next attempt, or is given up because of its age. The outcome is
    its new state; None if the alert no longer waits.
    """

    alert_id: str
    error: str | None = None
    """The reason of the failure; None if the alert was delivered."""
    asked_seconds: float = 0.0
    """Pause before the next attempt that the receiver asked for."""


@dataclass(frozen=True, kw_only=True)
class GiveUpAlerts(Change[int]):
    """Give up all waiting alerts of a target. The outcome is their number."""

    target_id: str
    error: str


@dataclass(frozen=True, kw_only=True)
class DropAlerts(Change[None]):
    """Delete all alerts of removed targets, and the old ones of all targets."""

    target_ids: Collection[str] = ()


@dataclass(frozen=True, kw_only=True)
class DueAlerts:
    """The alerts to send now, at most one for each target."""

    alerts: Sequence[Alert] = ()
    next_at: datetime | None = None
    """The time at which the next alert of another target is due; None without such an alert."""


class AlertReads(Protocol):
    """Reads for the delivery. They block, like all methods of a store."""

    def read_due(self, target_ids: Collection[str]) -> DueAlerts:
        """Return the oldest due alert of each target.

        An alert is due only after the earlier alerts of its session and target.
        """

    def watch(self, notice: Callable[[], None]) -> None:
        """Call `notice` in the thread of the writer after each commit that stored alerts."""
