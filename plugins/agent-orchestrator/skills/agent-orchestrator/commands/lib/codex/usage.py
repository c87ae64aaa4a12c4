"""Usage of each request to the model, as the rollout tells it, in the form of events."""

from __future__ import annotations

from ..events.event import Event
from ..events.prepare import create_event
from ..history.items import ModelRequest

MAX_ID_CHARS = 180
"""An event id is a little longer, and may have up to 200 characters."""


def usage_event(request: ModelRequest) -> Event:
    """Return the event of one request. An import of the rollout counts it under the same key."""
    request_id = request.key.partition(":")[2][:MAX_ID_CHARS]
    return create_event(
        "usage",
        f"{request_id}:usage",
        timestamp=request.occurred_at,
        request_id=request_id,
        request_key=request.key,
        provider=request.provider,
        model=request.model,
        usage=dict(request.counts),
        **request.details,
    )
