"""The usage of model requests in lines of a transcript."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ...items import ModelRequest
from ..fields import (
    count_of,
    fields_of,
    known_counts,
    list_of,
    nanodollars_of,
    request_key,
    text_of,
)

Json = Any

SYNTHETIC = "<synthetic>"
"""The model of a line that Claude Code made without a model."""
_DETAILS = ("service_tier", "speed", "inference_geo")
_ADVISOR = "advisor_message"
"""A request to another model, which the counts of the response do not include."""


def requests_of(
    line: Mapping[str, Json], session_id: str, *, timestamp: str | None, is_inherited: bool
) -> Iterator[ModelRequest]:
    """Yield the requests that a line of the model reports: its own, and those of an advisor."""
    message = fields_of(line.get("message"))
    usage = message.get("usage")
    model = text_of(message.get("model"))
    name = text_of(message.get("id")) or text_of(line.get("uuid"))
    if not isinstance(usage, dict) or model == SYNTHETIC or name is None:
        return
    request = partial(
        ModelRequest,
        session_id=session_id,
        occurred_at=timestamp,
        provider="anthropic",
        is_inherited=is_inherited,
    )
    yield request(
        key=request_key("claude", name),
        counts=_counts(usage),
        model=model,
        cost_nanodollars=nanodollars_of(line.get("costUSD")),
        details=_details(usage),
        is_cut=line.get("isAbortedMidStream") is True,
    )
    for number, item in enumerate(list_of(usage.get("iterations"))):
        if fields_of(item).get("type") == _ADVISOR:
            yield request(
                key=request_key("claude", name, f"advisor{number}"),
                counts=_counts(item),
                model=text_of(item.get("model")),
                details=_details(item),
            )


def has_searches(message: Mapping[str, Json]) -> bool:
    """Return whether the usage of a message includes web searches."""
    return bool(_searches(fields_of(message.get("usage"))))


def search_of(
    result: Json, tool_use_id: str, session_id: str, *, model: str | None, timestamp: str | None
) -> Iterator[ModelRequest]:
    """Yield the web searches of a call; they happen in a request that no transcript has."""
    searches = count_of(fields_of(result).get("searchCount"))
    if searches:
        yield ModelRequest(
            session_id=session_id,
            key=request_key("claude", tool_use_id, "searches"),
            counts={"web_searches": searches},
            occurred_at=timestamp,
            provider="anthropic",
            model=model,
        )


def _counts(usage: Mapping[str, Json]) -> dict[str, int]:
    created = fields_of(usage.get("cache_creation"))
    for_five_minutes = count_of(created.get("ephemeral_5m_input_tokens"))
    for_an_hour = count_of(created.get("ephemeral_1h_input_tokens"))
    total = count_of(usage.get("cache_creation_input_tokens"))
    if total is None and for_five_minutes is not None and for_an_hour is not None:
        total = for_five_minutes + for_an_hour
    return known_counts(
        input_tokens=count_of(usage.get("input_tokens")),
        output_tokens=count_of(usage.get("output_tokens")),
        cache_read_tokens=count_of(usage.get("cache_read_input_tokens")),
        cache_creation_tokens=total,
        cache_creation_1h_tokens=for_an_hour,
        reasoning_tokens=count_of(
            fields_of(usage.get("output_tokens_details")).get("thinking_tokens")
        ),
        web_searches=_searches(usage),
    )


def _searches(usage: Mapping[str, Json]) -> int | None:
    return count_of(fields_of(usage.get("server_tool_use")).get("web_search_requests"))


def _details(usage: Mapping[str, Json]) -> dict[str, str]:
    found = ((name, text_of(usage.get(name))) for name in _DETAILS)
    return {name: value for name, value in found if value is not None}
