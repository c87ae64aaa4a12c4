"""The text and the body of an alert, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from agent_session_manager.alerts.target import ENDED, BodyFormat
from agent_session_manager.domain.sessions.alert import Alert, AlertKind
from agent_session_manager.domain.sessions.session import WITHOUT_ERROR, Reason
from agent_shared.log import one_line

_ENDS = {
    AlertKind.FINISHED: "has finished",
    AlertKind.FAILED: "has failed",
    AlertKind.STOPPED: "was stopped",
    AlertKind.LOST: f"was lost: {WITHOUT_ERROR[Reason.LOST]}",
}
_REASONS = {limit.value: f": {WITHOUT_ERROR[limit]}" for limit in (Reason.TIMEOUT, Reason.BUDGET)}
_BREAK = "\u200b"
"""A space without a width. It separates characters that have a meaning only together."""
_SLACK = (
    *(("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")),
    # Mentions and links in Mattermost and Discord, which take bodies for Slack too.
    *(("@", f"@{_BREAK}"), ("](", f"]{_BREAK}(")),
)
"""The characters that a chat gives a meaning, and how to write them."""


def title_of(alert: Alert) -> str:
    """Return what has happened in one line, for a person."""
    name = one_line(str(alert.facts.get("session_name")))
    if alert.kind is AlertKind.WAITING:
        title = one_line((alert.facts.get("question") or {}).get("title") or "")
        return f"{name} waits for you{f': {title}' if title else ''}"
    return f"{name} {_ENDS[alert.kind]}{_REASONS.get(str(alert.facts.get('reason')), '')}"


def type_of(alert: Alert) -> str:
    """Return the type of a message: `session.waiting`, `session.ended` or `session.lost`."""
    return f"session.{'ended' if alert.kind in ENDED else alert.kind.value}"


def url_of(alert: Alert, manager_url: str) -> str:
    """Return the link to the session's page."""
    return f"{manager_url}/#/sessions/{quote(str(alert.facts.get('session_id')), safe='')}"


def message_of(alert: Alert, manager_url: str) -> dict[str, Any]:
    """Return the whole message, as documented in `docs/reference/alerts.md`."""
    moment = alert.created_at.astimezone(UTC).isoformat(timespec="milliseconds")
    return {
        "type": type_of(alert),
        "timestamp": moment.replace("+00:00", "Z"),
        "text": title_of(alert),
        "data": {**alert.facts, "url": url_of(alert, manager_url)},
    }


def body_of(alert: Alert, manager_url: str, body_format: BodyFormat = BodyFormat.JSON) -> bytes:
    """Return the body that a target gets."""
    return json.dumps(_BODIES[body_format](alert, manager_url)).encode()


def _slack(alert: Alert, manager_url: str) -> dict[str, Any]:
    text = title_of(alert)
    for characters, written in _SLACK:
        text = text.replace(characters, written)
    return {"text": f"{text} <{url_of(alert, manager_url)}|Open>", "unfurl_links": False}


_BODIES: dict[BodyFormat, Callable[[Alert, str], dict[str, Any]]] = {
    BodyFormat.JSON: message_of,
    BodyFormat.SLACK: _slack,
}


def sample_alert(target_id: str, alert_id: str, now: datetime) -> Alert:
    """Return an alert about no session, with which a person tries a target."""
    facts: dict[str, Any] = {
        "session_id": "sample",
        "session_name": "sample",
        "project_dir": None,
        "agent": "claude",
        "executor": "claude",
        "parent_session_id": None,
        "status": "running",
        "state": "waiting",
        "run": 1,
        "reason": None,
        "exit_code": None,
        "question": {
            "question_id": "sample",
            "kind": "tool",
            "title": "this is a test, there is no question",
        },
    }
    return Alert(
        alert_id=alert_id,
        target_id=target_id,
        kind=AlertKind.WAITING,
        created_at=now,
        facts=facts,
    )
