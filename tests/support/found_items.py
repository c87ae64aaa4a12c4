"""Selects the items that a format has read, and checks the promises that hold for all formats."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, TypeVar

from agent_orchestrator.history.items import (
    FoundEvent,
    Item,
    ModelRequest,
    SessionFacts,
    TurnEnd,
)

Kind = TypeVar("Kind", bound=Item)

SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def of_kind(items: Iterable[Item], kind: type[Kind]) -> list[Kind]:
    return [item for item in items if isinstance(item, kind)]


def events_of(items: Iterable[Item]) -> list[dict[str, Any]]:
    return [item.event for item in of_kind(items, FoundEvent)]


def texts_of(items: Iterable[Item], **fields: str) -> list[str]:
    """Return the texts of the messages that have these fields."""
    return [
        block["text"]
        for event in events_of(items)
        if event["event_type"] == "message" and fields.items() <= event.items()
        for block in event["content"]
        if block["type"] == "text"
    ]


def total(requests: Iterable[ModelRequest]) -> dict[str, int]:
    """Return the sum of the counts, each request once."""
    counts: dict[str, int] = {}
    for request in {request.key: request for request in requests}.values():
        for name, count in request.counts.items():
            counts[name] = counts.get(name, 0) + count
    return counts


def check_items(items: Iterable[Item]) -> None:
    """Assert that the items keep the promises of `items.py`."""
    for item in items:
        if isinstance(item, SessionFacts | FoundEvent | ModelRequest | TurnEnd):
            assert SESSION_ID.fullmatch(item.session_id)
        if isinstance(item, FoundEvent):
            _check_event(item.event)
        if isinstance(item, ModelRequest):
            assert 1 <= len(item.key) <= 200
            assert all(type(count) is int and count >= 0 for count in item.counts.values())
            assert item.cost_nanodollars is None or item.cost_nanodollars > 0


def _check_event(event: dict[str, Any]) -> None:
    json.dumps(event)
    assert 1 <= len(event["event_id"]) <= 200
    assert TIMESTAMP.fullmatch(event.get("timestamp", "2026-01-01T00:00:00.000Z"))
    assert None not in event.values()
    if event["event_type"] in ("message", "thinking", "diagnostic"):
        assert event["content"]
        assert all(isinstance(block["type"], str) for block in event["content"])
        texts = [block["text"] for block in event["content"] if block["type"] == "text"]
        assert all(isinstance(text, str) for text in texts)
    else:
        assert event["event_type"] in ("pre_tool", "post_tool")
        # The call of a result can be in another file.
        assert isinstance(event.get("tool_name", ""), str)
        assert isinstance(event["tool_use_id"], str)
        assert isinstance(event.get("tool_input", {}), dict)
        assert isinstance(event.get("error", ""), str)
