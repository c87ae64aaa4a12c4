"""Requests to a run: stops, messages, answers, notices, and sessions to start below it.

They are durable, so none is lost without a reply.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class RequestKind(StrEnum):
    """The kind of a request."""

    STOP = "stop"
    MESSAGE = "message"
    ANSWER = "answer"
    """An answer to the question whose id is the id of the request."""
    START = "start"
    """The agent of the run wants a session below its own."""
    RESUME = "resume"
    """The agent of the run wants the next run of a session below its own."""
    NOTICE = "notice"
    """Notices for the agent of the run."""


OF_OTHERS = (RequestKind.STOP, RequestKind.MESSAGE, RequestKind.ANSWER)
"""Kinds that come from outside a run. The manager makes the others."""


class RequestState(StrEnum):
    """The state of a request. The last three are final."""

    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
    """The run ended before the request was done."""


FINAL_STATES = frozenset({RequestState.DONE, RequestState.REFUSED, RequestState.EXPIRED})


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request to one run. The caller chooses its id: a repeated id is the same request."""

    request_id: str
    run: int
    kind: RequestKind
    payload: dict[str, Any]
    state: RequestState
    detail: str | None
    created_at: datetime
    settled_at: datetime | None
