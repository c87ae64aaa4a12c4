"""Errors of the model's API, and a Claude Code that is missing or refuses to start."""

from __future__ import annotations

import os
import sys
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.events.event import Event
from agent_shared.install_advice import install_command
from tests.claude.both_records import compare
from tests.claude.claude_events import error_of, events_of, only, stamped, text_of
from tests.claude.conftest import Claude, types_of
from tests.support.loops import run
from tests.support.model_server import ModelServer, script, tool

# These tests run one after another: concurrent CLIs would only slow each other down.
pytestmark = pytest.mark.xdist_group("claude-executor")


def test_api_error_fails_the_run_and_is_never_the_answer(
    claude: Claude,
) -> None:
    error = {"status": 400, "type": "invalid_request_error", "message": "this was too much"}
    events = events_of(claude, script({"text": "one", **tool("Bash")}, {"error": error}))
    assert [text_of(event) for event in only(events, "message")[1:]] == ["one"]
    assert stamped(events[-1]) == {
        "event_type": "session_stop",
        "exit_code": 1,
        "reason": "failed",
        "error": "API Error: 400 this was too much",
    }
    assert "this was too much" in text_of(only(events, "diagnostic")[-1])
    assert compare(claude, events) == "failed"


def test_overloaded_api_is_retried_with_events_and_then_fails(claude: Claude) -> None:
    events = events_of(claude, script({"error": {"status": 529}}))
    retries = only(events, "retry")
    assert [(e["attempt"], e["status_code"], e["error"]) for e in retries] == [
        (1, 529, "overloaded"),
        (2, 529, "overloaded"),
    ]
    assert "529 Overloaded" in events[-1]["error"]


def test_dropped_connection_is_retried_with_an_event(claude: Claude) -> None:
    async def act() -> Event:
        async with aclosing(claude.start(script({"text": "half an", "drop": True}))) as stream:
            return [await anext(stream), await anext(stream)][-1]

    retry = run(act())
    assert (retry["event_type"], retry["attempt"], retry.get("status_code")) == ("retry", 1, None)


def test_refused_credentials_fail_with_login_advice(claude: Claude) -> None:
    error = {"status": 401, "type": "authentication_error", "message": "invalid x-api-key"}
    events = events_of(claude, script({"error": error}))
    assert types_of(events) == ["message", "retry", "retry", "retry", "session_stop"]
    stop = events[-1]
    assert (stop["exit_code"], stop["reason"]) == (1, "failed")
    assert "run `claude` and then /login there, or set ANTHROPIC_API_KEY" in stop["error"]


def test_missing_credentials_fail_with_login_advice(claude: Claude, model: ModelServer) -> None:
    environment = {k: v for k, v in claude.environment.items() if k != "ANTHROPIC_API_KEY"}
    events = events_of(claude, "hi", environment=environment)
    assert [event for event in only(events, "message") if event["role"] == "assistant"] == []
    assert events[-1]["reason"] == "failed"
    assert "Not logged in" in events[-1]["error"]
    assert "ANTHROPIC_API_KEY" in events[-1]["error"]
    assert model.requests() == []


def test_promise_6_a_missing_sdk_says_what_to_install(
    claude: Claude, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "claude_agent_sdk", None)
    events, error = error_of(claude, "hi")
    assert types_of(events) == ["message"]
    assert error == (
        "the Claude Agent SDK is not installed: " + install_command("claude-agent-sdk")
    )


@pytest.mark.skipif(os.getuid() != 0, reason="only root is refused")
def test_promise_6_bypass_as_root_fails_with_the_clis_reason(
    claude: Claude,
) -> None:
    events, error = error_of(claude, "hi", permission_mode="bypassPermissions")
    assert types_of(events) == ["message"]
    assert "cannot be used with root/sudo privileges" in error
    assert "choose another permission mode" in error


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"resume": True}, "No conversation found with session ID"),
        ({"permission_mode": "nonsense"}, "nonsense"),
        ({"project_dir": Path("/nowhere/at/all")}, "/nowhere/at/all does not exist"),
    ],
)
def test_promise_6_refusal_of_the_cli_is_an_error_in_its_words(
    claude: Claude, changes: dict[str, Any], problem: str
) -> None:
    _, error = error_of(claude, "hi", **changes)
    assert problem in error


def test_promise_6_a_missing_cli_is_named(claude: Claude) -> None:
    _, error = error_of(replace(claude, cli_path="/nowhere/claude"), "hi")
    assert "/nowhere/claude" in error
