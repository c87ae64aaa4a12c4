"""Usage of each model request of a run, read from the frames of the CLI during the run.

Two kinds of frames report it. An `assistant` frame comes while the answer is still being made: its
input counters are final, but its output counters are not. The transcript's line of the same message
has the final counters. Only that line has the usage of a subagent's last answer. One request yields
several frames of both kinds, with one message id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SUBTYPE = "agent_orchestrator_usage"
"""Marks our own frames, which are system messages to the SDK."""
SYNTHETIC = "<synthetic>"
"""The model of a message that the CLI made without a model."""
_COUNTERS = {
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
    "cache_read_tokens": ("cache_read_input_tokens",),
    "cache_creation_tokens": ("cache_creation_input_tokens",),
    "cache_creation_1h_tokens": ("cache_creation", "ephemeral_1h_input_tokens"),
    "reasoning_tokens": ("output_tokens_details", "thinking_tokens"),
    "web_searches": ("server_tool_use", "web_search_requests"),
}
"""Our name of a counter, and its path in the API's `usage`."""
MAX_ID_CHARS = 180
"""An event id is a little longer, and may have up to 200 characters."""
MAX_COUNT = 10**12
"""The manager accepts no larger count."""
_DETAILS = ("service_tier", "speed", "inference_geo")

Frame = dict[str, Any]


class RequestCounter:
    """Counters of the model requests of one CLI process, by message id."""

    def __init__(self) -> None:
        self._usage: dict[str, dict[str, int]] = {}
        self._times_told: dict[str, int] = {}
        self._tool_use_ids: dict[str, str] = {}
        """By subagent: the call that started it."""

    def told_by(self, frame: Frame) -> Iterator[Frame]:
        """Yield one of our frames for each request whose counters this frame raises."""
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
        """Raise the counters of a line's request. If not `is_live`, only update a known request."""
        message = line.get("message")
        if not isinstance(message, dict) or message.get("model") == SYNTHETIC:
            return
        request_id, usage = message.get("id") or line.get("uuid"), message.get("usage")
        if not isinstance(request_id, str) or not isinstance(usage, dict):
            return
        request_id = request_id[:MAX_ID_CHARS]
        if line.get("error") or line.get("isApiErrorMessage"):
            return  # a text of the CLI: no model was asked, or it has not answered
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
                "request_key": f"claude:{request_id}",
                "provider": "anthropic",
                "model": message.get("model"),
                "usage": counts,
                "parent_tool_use_id": parent if isinstance(parent, str) else None,
                **details,
            },
        }


def _is_copied(entry: Frame) -> bool:
    """Return whether a transcript's line was copied from the session that was forked."""
    origin = entry.get("requestSessionId")
    return origin is not None and origin != entry.get("sessionId")


def _counters(usage: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the known counters. A missing counter is unknown, not 0."""
    for name, path in _COUNTERS.items():
        value: Any = usage
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if type(value) is int and 0 <= value <= MAX_COUNT:
            yield name, value
