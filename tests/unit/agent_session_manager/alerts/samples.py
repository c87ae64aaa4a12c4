"""Alerts and targets as tests need them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from agent_session_manager.alerts.target import Target, Webhook
from agent_session_manager.domain.sessions.alert import Alert, AlertKind, Interest

NOW = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
MANAGER = "http://127.0.0.1:8765"


def alert(
    kind: AlertKind = AlertKind.FINISHED, *, alert_id: str = "alert_1", **facts: Any
) -> Alert:
    known = {"session_id": "s:1", "session_name": "fix", "project_dir": "/p", "run": 1}
    return Alert(
        alert_id=alert_id, target_id="t", kind=kind, created_at=NOW, facts={**known, **facts}
    )


def target(name: str = "phone", *, target_id: str = "t", **fields: Any) -> Target:
    interest = Interest(target_id=target_id, kinds=frozenset(AlertKind))
    given = fields or {"webhook": Webhook(url="https://example.com/hook")}
    return Target(name=name, interest=interest, **given)
