"""Limits of a run as the real Claude Code keeps them."""

from __future__ import annotations

import pytest

from tests.claude.claude_events import events_of, only, text_of
from tests.claude.conftest import Claude
from tests.support.model_server import ModelServer, script, tool

# These tests run one after another: concurrent CLIs would only slow each other down.
pytestmark = pytest.mark.xdist_group("claude-executor")

CALL = tool("Bash", command="echo hi")


def test_run_ends_once_its_cost_exceeds_the_limit(claude: Claude) -> None:
    claude.allow("Bash")
    events = events_of(claude, script(CALL, CALL, CALL), max_cost=0.01)
    stop = events[-1]
    assert (stop["exit_code"], stop["reason"]) == (1, "budget")
    assert stop["error"] == "Reached maximum budget ($0.01)"


def test_run_ends_before_it_exceeds_its_turns(claude: Claude, model: ModelServer) -> None:
    claude.allow("Bash")
    events = events_of(claude, script(CALL, CALL, CALL, {"text": "done"}), max_turns=2)
    stop = events[-1]
    assert (stop["exit_code"], stop["reason"]) == (1, "budget")
    assert stop["error"] == "Reached maximum number of turns (2)"
    assert len(model.requests()) == 2


def test_run_within_its_limits_is_completed(claude: Claude) -> None:
    claude.allow("Bash")
    events = events_of(claude, script(CALL, {"text": "done"}), max_turns=2, max_cost=0.02)
    assert events[-1]["reason"] == "completed"


def test_limits_of_a_resume_do_not_count_earlier_runs(claude: Claude) -> None:
    claude.allow("Bash")
    first = events_of(claude, script(CALL, CALL, CALL, {"text": "done"}))
    (cost,) = (
        event["usage"]["cost_microdollars"]
        for event in first
        if event["event_type"] == "usage" and "request_id" not in event
    )
    assert cost > 20_000
    second = events_of(claude, script({"text": "again"}), resume=True, max_cost=0.01, max_turns=1)
    assert (second[-1]["reason"], text_of(only(second, "message")[-1])) == ("completed", "again")


def test_subagent_counts_for_the_cost_but_not_for_turns(claude: Claude, model: ModelServer) -> None:
    claude.allow("Bash", "Agent", "Task")
    inner = script(CALL, CALL, {"text": "found"})
    look = tool("Agent", description="look", prompt=inner, subagent_type="general-purpose")
    events = events_of(claude, script(look, {"text": "done"}), max_turns=2)
    assert events[-1]["reason"] == "completed"
    assert len(model.requests()) == 5
    (cost,) = (
        event["usage"]["cost_microdollars"]
        for event in events
        if event["event_type"] == "usage" and "request_id" not in event
    )
    limit = cost / 10**6 * 2 / 3  # more than the two requests of the session itself
    events = events_of(claude, script(look, {"text": "done"}), resume=True, max_cost=limit)
    assert events[-1]["reason"] == "budget"
