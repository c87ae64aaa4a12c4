"""Counts the usage of turns. What an agent does not report stays unknown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .presets.preset import Preset, UsageForm

Json = dict[str, Any]
Counts = dict[str, int]

MAX_COUNT = 10**12
"""The manager accepts no larger count."""
_FORMS = {
    "input_tokens": ("inputTokens", "input_tokens", "promptTokens"),
    "output_tokens": ("outputTokens", "output_tokens", "completionTokens"),
    "cache_read_tokens": ("cachedReadTokens", "cachedTokens"),
    "cache_creation_tokens": ("cachedWriteTokens",),
    "reasoning_tokens": ("thoughtTokens",),
}
"""Our name of a counter, and the names that agents have for it."""
_TOTALS = frozenset({UsageForm.PROCESS_TOTAL, UsageForm.SESSION_TOTAL})


class UsageCounter:
    """The usage of one run. Its input are all updates of the agent, and the end of each turn."""

    def __init__(self, preset: Preset, *, is_resume: bool) -> None:
        self._form = preset.usage
        self._is_cached_in_input = preset.is_cached_in_input
        is_new = not is_resume
        starts_at_zero = is_new or preset.usage is UsageForm.PROCESS_TOTAL
        self._total: Counts | None = {} if starts_at_zero else None
        """The tokens before this turn; None if they are unknown."""
        self._cost: float | None = 0.0 if is_new else None
        """The cost before this turn in US dollars; None if it is unknown."""
        self._new_cost: float | None = None
        self._requests: list[Counts] = []
        self._has_called = False
        self.model: str | None = None

    def note_replay(self, update: Json) -> None:
        """Note an update about the conversation before this run."""
        self._note_cost(update)
        if self._new_cost is not None:
            self._cost, self._new_cost = self._new_cost, None
        meta = update.get("_meta")
        is_total = self._form is UsageForm.SESSION_TOTAL
        if is_total and isinstance(meta, dict) and "promptTokens" in meta:
            self._total = self._counts(meta)

    def note(self, update: Json) -> None:
        """Note an update about the running turn."""
        self._note_cost(update)
        match update:
            case {"sessionUpdate": "tool_call"}:
                self._has_called = True
            case {"sessionUpdate": "agent_message_chunk", "_meta": {"usage": dict(usage)}}:
                self._requests.append(self._counts(usage))

    def note_joined(self) -> None:
        """Note that a message has joined the turn: it adds model requests."""
        self._has_called = True

    def of_turn(self, answer: Json) -> Counts:
        """Return the usage of the turn that the answer to a prompt ends."""
        tokens = self._tokens(answer)
        before, cost = self._cost, self._new_cost
        if cost is not None:
            self._cost, self._new_cost = cost, None
            if before is not None and cost >= before:
                tokens["cost_microdollars"] = round((cost - before) * 1_000_000)
        self._requests.clear()
        self._has_called = False
        return tokens

    def _tokens(self, answer: Json) -> Counts:
        usage, meta = answer.get("usage"), answer.get("_meta")
        if self._form in _TOTALS and isinstance(usage, dict):
            before, total = self._total, self._counts(usage)
            self._total = total
            if before is None or any(total.get(name, 0) < before[name] for name in before):
                return {}
            return {name: count - before.get(name, 0) for name, count in total.items()}
        if self._form is UsageForm.LAST_REQUEST and isinstance(usage, dict):
            counts = self._counts(usage)  # all are 0 if the request was cancelled
            return {} if self._has_called or not any(counts.values()) else counts
        if self._form is UsageForm.EACH_REQUEST:
            names = {name for request in self._requests for name in request}
            return {name: sum(each.get(name, 0) for each in self._requests) for name in names}
        if self._form is UsageForm.TURN_QUOTA:
            match meta:
                case {"quota": {"token_count": dict(usage), **quota}}:
                    self._note_model(quota.get("model_usage"))
                    return self._counts(usage)
        return {}

    def _note_model(self, usage: Any) -> None:
        match usage:
            case [{"model": str(model)}]:
                self.model = model

    def _note_cost(self, update: Json) -> None:
        match update:
            case {
                "sessionUpdate": "usage_update",
                "cost": {"amount": int() | float() as amount, "currency": "USD"},
            } if 0 <= amount < MAX_COUNT / 1_000_000:
                self._new_cost = float(amount)

    def _counts(self, usage: Json) -> Counts:
        counts = dict(_counters(usage))
        if self._is_cached_in_input and "input_tokens" in counts:
            cached = counts.get("cache_read_tokens", 0) + counts.get("cache_creation_tokens", 0)
            counts["input_tokens"] = max(0, counts["input_tokens"] - cached)
        return counts


def _counters(usage: Json) -> Iterator[tuple[str, int]]:
    for name, theirs in _FORMS.items():
        for key in theirs:
            count = usage.get(key)
            if type(count) is int and 0 <= count <= MAX_COUNT:
                yield name, count
                break
