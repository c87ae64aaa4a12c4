"""What each model request of a run used, from the frames of the CLI, as it happens.

Two kinds of frames tell of it. An `assistant` frame comes while the answer is still being made: its
input is right, its output is not yet. The transcript's line of the same message has the final
counters, and a subagent's last answer stands nowhere else. One request yields several of both, with
one message id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SUBTYPE = "agent_orchestrator_usage"
"""Marks the frames of ours: to the SDK they are system messages."""
SYNTHETIC = "<synthetic>"
"""The model of a message that the CLI made by itself."""
_COUNTERS = {
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
    "cache_read_tokens": ("cache_read_input_tokens",),
    "cache_creation_tokens": ("cache_creation_input_tokens",),
    "cache_creation_1h_tokens": ("cache_creation", "ephemeral_1h_input_tokens"),
    "reasoning_tokens": ("output_tokens_details", "thinking_tokens"),
    "web_searches": ("server_tool_use", "web_search_requests"),
}
"""Our name of a counter, and where it stands in the API's `usage`."""
MAX_ID_CHARS = 180
"""An event id, which is a little longer, may have 200."""
MAX_COUNT = 10**12
"""The manager takes no larger one."""
_DETAILS = ("service_tier", "speed", "inference_geo")

Frame = dict[str, Any]


class RequestCounter:
    """The model requests of one process of the CLI; each is known by its message id."""

    def __init__(self) -> None:
        self._usage: dict[str, dict[str, int]] = {}
        self._times_told: dict[str, int] = {}
        self._tool_use_ids: dict[str, str] = {}
        """Subagent to the call that started it."""

    def told_by(self, frame: Frame) -> Iterator[Frame]:
        """Yield a frame of ours for each request of which this frame says more than was known."""
        match frame:
            case {"type": "assistant"}:
                yield from self._note(frame, frame.get("parent_tool_use_id"), is_live=True)
            case {"type": "system", "subtype": "task_started"}:
                self._tool_use_ids[str(frame.get("task_id"))] = str(frame.get("tool_use_id"))
            case {"type": "transcript_mirror", "entries": [*entries]}:
                for entry in entries:
                    if isinstance(entry, dict) and entry.get("type") == "assistant":
                        agent = str(entry.get("agentId"))
                        is_live = entry.get("isSidechain") is True and not _is_copied(entry)
                        yield from self._note(entry, self._tool_use_ids.get(agent), is_live=is_live)

    def _note(self, line: Frame, parent: object, *, is_live: bool) -> Iterator[Frame]:
        """Raise the counters of a line's request; one that is not live only adds to a known one."""
        message = line.get("message")
        if not isinstance(message, dict) or message.get("model") == SYNTHETIC:
            return
        request_id, usage = message.get("id") or line.get("uuid"), message.get("usage")
        if not isinstance(request_id, str) or not isinstance(usage, dict):
            return
        request_id = request_id[:MAX_ID_CHARS]
        if line.get("error") or line.get("isApiErrorMessage"):
            return  # the CLI's own words: no model was asked, or it has not answered
        known = self._usage.get(request_id)
        if known is None and not is_live:
            return
        before = known or {}
        counts = {**before, **{n: max(c, before.get(n, 0)) for n, c in _counters(usage)}}
        if known == counts:
            return
        self._usage[request_id] = counts
        told = self._times_told[request_id] = self._times_told.get(request_id, 0) + 1
        details = {name: usage[name] for name in _DETAILS if usage.get(name)}
        yield {
            "type": "system",
            "subtype": SUBTYPE,
            "event_id": f"{request_id}:usage" if told == 1 else f"{request_id}:usage:{told}",
            "fields": {
                "request_id": request_id,
                "model": message.get("model"),
                "usage": counts,
                "parent_tool_use_id": parent if isinstance(parent, str) else None,
                **details,
            },
        }


def _is_copied(entry: Frame) -> bool:
    """Return whether a line of a transcript was copied from the session that this is a fork of."""
    origin = entry.get("requestSessionId")
    return origin is not None and origin != entry.get("sessionId")


def _counters(usage: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the counters that are known; one that is missing is unknown, and not 0."""
    for name, path in _COUNTERS.items():
        value: Any = usage
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if type(value) is int and 0 <= value <= MAX_COUNT:
            yield name, value
