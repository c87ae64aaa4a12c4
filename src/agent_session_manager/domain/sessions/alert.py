"""Alerts: news of a session for a person or a program outside, and the rules of their delivery.

An alert is stored with the change that it reports, once for each target that wants it. It is
delivered at least once: after an outage it is sent again with the same id. The alerts of one
session reach a target in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from agent_session_manager.domain.sessions.session import Reason, state_after

FIRST_PAUSE_SECONDS = 5.0
MAX_PAUSE_SECONDS = 900.0
"""Longest pause between two attempts, unless the receiver asks for a longer one."""
MAX_ASKED_PAUSE_SECONDS = 3600.0
"""Longest pause that a receiver can ask for."""
MAX_AGE = timedelta(hours=24)
"""Age after which an alert that cannot be delivered is given up."""
KEPT_FOR = timedelta(days=7)
"""Age after which an alert is deleted, whatever its state."""
MAX_WAITING = 1000
"""Maximum number of waiting alerts of a target; more are given up at once."""
RESERVED_PLACES = 200
"""Number of these places that sessions which another session has started cannot take."""
MAX_ERROR_CHARS = 500


class AlertKind(StrEnum):
    """The new state of a session that an alert reports."""

    WAITING = "waiting"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"


class AlertState(StrEnum):
    """The progress of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """News of a session for one target."""

    alert_id: str
    """The same in each attempt, so that a receiver can drop repetitions."""
    target_id: str
    kind: AlertKind
    created_at: datetime
    facts: dict[str, Any]
    """The session at that time, as JSON values."""


@dataclass(frozen=True, kw_only=True)
class Interest:
    """The alerts that a target wants."""

    target_id: str
    kinds: frozenset[AlertKind]
    project_dir: str | None = None
    """Only sessions of this directory, and of those below it."""
    top_level: bool = False
    """Only sessions without a parent."""

    def covers(self, kind: AlertKind, *, project_dir: str | None, is_child: bool) -> bool:
        """Return whether the target wants an alert of this kind about such a session."""
        if kind not in self.kinds or (self.top_level and is_child):
            return False
        if self.project_dir is None:
            return True
        directory = self.project_dir.rstrip("/") + "/"
        return project_dir is not None and f"{project_dir}/".startswith(directory)


Interests = Callable[[], Sequence[Interest]]
"""Returns the interests of all targets at this moment. It must not block."""


def no_interests() -> Sequence[Interest]:
    """Return the interests of a manager without targets."""
    return ()


def kind_of_end(reason: Reason) -> AlertKind:
    """Return the kind of alert that reports the end of a run."""
    return AlertKind(state_after(reason).value)


def pause_after(attempts: int, *, asked_seconds: float = 0.0) -> timedelta:
    """Return the pause after a number of failed attempts, at least as long as was asked for."""
    doubled = FIRST_PAUSE_SECONDS * 2 ** min(attempts - 1, 16)
    asked = min(asked_seconds, MAX_ASKED_PAUSE_SECONDS)
    return timedelta(seconds=max(min(doubled, MAX_PAUSE_SECONDS), asked))
