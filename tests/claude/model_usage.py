"""Usage that the stand-in model causes, and the usage events of a run."""

from __future__ import annotations

from agent_orchestrator.events.event import Event
from tests.claude.claude_events import only

CALL_COST = 6284
"""Microdollars that the CLI computes for one call of the stand-in, at list price."""
CALL_USAGE = {
    "input_tokens": 11,
    "output_tokens": 42,
    "cache_read_tokens": 2000,
    "cache_creation_tokens": 1000,
    "cost_microdollars": CALL_COST,
}


def totals(events: list[Event]) -> list[dict[str, int]]:
    """Return the usage totals that Claude Code itself reports, one per turn."""
    return [event["usage"] for event in only(events, "usage") if "request_id" not in event]


def requests_of(events: list[Event]) -> dict[str, Event]:
    """Return the newest event of each model request, by its id."""
    return {e["request_id"]: e for e in only(events, "usage") if "request_id" in e}
