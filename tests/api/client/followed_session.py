"""Events of a followed session, and a follower that fails on an outage."""

from __future__ import annotations

from collections.abc import Callable

from agent_orchestrator.client.manager import Json
from agent_orchestrator.session_client import SessionClientError

NewId = Callable[[], str]
STOP = {"event_type": "session_stop", "reason": "completed"}


def fail(error: SessionClientError) -> None:
    raise AssertionError(f"unexpected outage: {error}")


def notes(*texts: str) -> list[Json]:
    return [{"event_type": "note", "text": text} for text in texts]
