"""Requests: what others want of a run. Durable, so that one made is one seen or one refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class RequestKind(StrEnum):
    """What is wanted."""

    STOP = "stop"
    MESSAGE = "message"


class RequestState(StrEnum):
    """How far it has come. The last three are final."""

    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
    """The run ended before it was done."""


FINAL_STATES = frozenset({RequestState.DONE, RequestState.REFUSED, RequestState.EXPIRED})


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request to one run, under an id of the caller's: asking twice is asking once."""

    request_id: str
    run: int
    kind: RequestKind
    payload: dict[str, Any]
    state: RequestState
    detail: str | None
    created_at: datetime
    settled_at: datetime | None
