"""Limits of a run as the real Claude Code keeps them."""

from __future__ import annotations

import pytest

from agent_orchestrator.events.event import Event
from tests.claude.claude_events import events_of, only, text_of
from tests.claude.conftest import Claude
from tests.claude.model_usage import totals
from tests.support.model_server import ModelServer, script, tool

# These tests run one after another: concurrent CLIs would only slow each other down.
pytestmark = pytest.mark.xdist_group("claude-executor")

CALL = tool("Bash", command="echo hi")


def cost_of(events: list[Event]) -> int:
    (total,) = totals(events)
    return total["cost_microdollars"]


def test_limits_end_a_run_and_do_not_count_earlier_runs(claude: Claude, model: ModelServer) -> None:
    claude.allow("Bash")
    events = events_of(claude, script(CALL, CALL, CALL, {"text": "done"}), max_turns=2)
    stop = events[-1]
    assert (stop["exit_code"], stop["reason"]) == (1, "budget")
    assert stop["error"] == "Reached maximum number of turns (2)"
    assert len(model.requests()) == 2
    assert cost_of(events) > 10_000

    events = events_of(claude, script(CALL, CALL, CALL), resume=True, max_cost=0.01)
    stop = events[-1]
    assert (stop["exit_code"], stop["reason"]) == (1, "budget")
    assert stop["error"] == "Reached maximum budget ($0.01)"
    assert cost_of(events) > 10_000

    again = events_of(claude, script({"text": "again"}), resume=True, max_cost=0.01, max_turns=1)
    assert (again[-1]["reason"], text_of(only(again, "message")[-1])) == ("completed", "again")


def test_subagent_counts_for_the_cost_but_not_for_turns(claude: Claude, model: ModelServer) -> None:
    claude.allow("Bash", "Agent", "Task")
    inner = script(CALL, CALL, {"text": "found"})
    look = tool("Agent", description="look", prompt=inner, subagent_type="general-purpose")
    events = events_of(claude, script(look, {"text": "done"}), max_turns=2, max_cost=0.04)
    assert events[-1]["reason"] == "completed"
    assert len(model.requests()) == 5
    limit = cost_of(events) / 10**6 * 2 / 3  # more than the two requests of the session itself
    events = events_of(claude, script(look, {"text": "done"}), resume=True, max_cost=limit)
    assert events[-1]["reason"] == "budget"
