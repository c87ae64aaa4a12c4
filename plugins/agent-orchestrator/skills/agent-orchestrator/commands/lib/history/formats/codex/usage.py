"""Usage of the model requests of a rollout.

Newer rollouts have a `token_usage_record` for each response. Older ones have only cumulative
totals (`token_count`), which are repeated without a request. The two are never added.
"""

from __future__ import annotations

from ...items import ModelRequest
from ..fields import (
    MAX_COUNT,
    Fields,
    optional_id,
    optional_record,
    optional_session_id,
    request_key,
    whole_number,
)
from .memory import Memory

_COUNTERS = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "total_tokens",
)


def read_usage_record(
    record: Fields, memory: Memory, occurred_at: str | None, ordinal: int | None
) -> ModelRequest | None:
    """Return the request that a `token_usage_record` describes."""
    counters = _counters(optional_record(record, "usage"))
    totals = _counters(optional_record(record, "thread_token_usage"))
    is_counted = not memory.has_usage_records and bool(totals) and totals == memory.totals
    memory.has_usage_records = True
    memory.totals = totals or memory.totals
    if is_counted:
        return None
    owner = optional_session_id(record, "thread_id")
    return _request(
        memory,
        counters,
        occurred_at,
        response_id=optional_id(record, "response_id"),
        is_inherited=memory.is_copied(ordinal) or owner not in (None, memory.thread),
    )


def read_totals(
    record: Fields, memory: Memory, occurred_at: str | None, ordinal: int | None
) -> ModelRequest | None:
    """Return the request by which the totals of a `token_count` have grown."""
    usage = optional_record(record, "info")
    totals = _counters(optional_record(usage, "total_token_usage"))
    newest = _counters(optional_record(usage, "last_token_usage"))
    before, memory.totals = memory.totals, totals or memory.totals
    if not totals or totals == before or memory.has_usage_records:
        return None
    if before is None:
        counters = newest if newest and memory.has_copied_totals else totals
    elif totals.get("total_tokens", 0) < before.get("total_tokens", 0):
        counters = newest or totals
    else:
        counters = {name: max(0, count - before.get(name, 0)) for name, count in totals.items()}
    if not memory.is_own(ordinal) or not any(counters.values()):
        return None
    return _request(memory, counters, occurred_at)


def _request(
    memory: Memory,
    counters: dict[str, int],
    occurred_at: str | None,
    *,
    response_id: str | None = None,
    is_inherited: bool = False,
) -> ModelRequest | None:
    """Return a request. Without an id, its key is its place in the turn.

    The turn's id is unique in the world, and stays when Codex converts a rollout.
    """
    if response_id is None:
        if is_inherited:
            return None
        memory.requests += 1
        response_id = f"{memory.turn or memory.thread}:{memory.requests}"
    if memory.thread is None or not counters:
        return None
    return ModelRequest(
        session_id=memory.thread,
        key=request_key("codex", response_id),
        counts=_counts(counters),
        occurred_at=occurred_at,
        model=memory.model,
        provider=memory.provider,
        details={"service_tier": memory.service_tier} if memory.service_tier else {},
        is_inherited=is_inherited,
    )


def _counters(usage: Fields) -> dict[str, int]:
    """Return the known counters."""
    return {
        name: count
        for name in _COUNTERS
        if (count := whole_number(usage, name)) is not None and count <= MAX_COUNT
    }


def _counts(counters: dict[str, int]) -> dict[str, int]:
    """Return the counts of a request. Cached and written tokens are a part of Codex's input."""
    counts = {
        "output_tokens": counters.get("output_tokens"),
        "cache_read_tokens": counters.get("cached_input_tokens"),
        "cache_creation_tokens": counters.get("cache_write_input_tokens"),
        "reasoning_tokens": counters.get("reasoning_output_tokens"),
    }
    if "input_tokens" in counters:
        cached = (counts["cache_read_tokens"] or 0) + (counts["cache_creation_tokens"] or 0)
        counts["input_tokens"] = max(0, counters["input_tokens"] - cached)
    return {name: count for name, count in counts.items() if count is not None}
