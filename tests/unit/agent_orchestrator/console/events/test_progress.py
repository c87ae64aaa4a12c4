from __future__ import annotations

from io import StringIO
from typing import Any

import pytest

from agent_orchestrator.console.events.progress import MAX_CHARS, describe, progress
from agent_orchestrator.console.terminal.screen import error_console, screen_of
from tests.support.rows import each_row


def text(*texts: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": each} for each in texts]


@each_row(
    ("event", "said"),
    [
        ({"event_type": "message", "role": "user", "content": text("Fix it.")}, "working"),
        (
            {"event_type": "message", "role": "assistant", "content": text("Let me", "look.")},
            "Let me look.",
        ),
        ({"event_type": "message", "role": "assistant", "content": [{"type": "image"}]}, "[image]"),
        ({"event_type": "message", "role": "assistant"}, ""),
        ({"event_type": "thinking", "content": text("hmm")}, "thinking"),
        (
            {"event_type": "pre_tool", "tool_name": "Bash", "tool_input": {"command": "ls\n-l"}},
            "Bash: ls -l",
        ),
        (
            {"event_type": "pre_tool", "tool_name": "Read", "tool_input": {"file_path": "/a"}},
            "Read: /a",
        ),
        ({"event_type": "pre_tool", "tool_name": "Odd", "tool_input": {"n": 1}}, "Odd:"),
        ({"event_type": "pre_tool", "tool_name": "Odd", "tool_input": "cut"}, "Odd:"),
        ({"event_type": "post_tool", "tool_name": "Bash", "tool_output": "a"}, "Bash done"),
        ({"event_type": "post_tool", "tool_name": "Bash", "error": "no"}, "Bash failed"),
        ({"event_type": "permission_denied", "tool_name": "Bash"}, "Bash was denied"),
        ({"event_type": "retry", "attempt": 1}, "waiting to try again"),
        ({"event_type": "session_stop", "reason": "completed"}, ""),
        ({"event_type": "usage", "usage": {}}, ""),
        ({}, ""),
    ],
)
def test_event_is_described_as_an_activity(event: dict[str, Any], said: str) -> None:
    assert describe(event) == said


def test_description_is_short_and_has_no_controls() -> None:
    hostile = "\x1b]52;c;ZXZpbA==\x07\u202e" + "x" * 200
    call = {"event_type": "pre_tool", "tool_name": "Bash", "tool_input": {"command": hostile}}
    assert describe(call) == ("Bash: " + "x" * 200)[: MAX_CHARS - 1] + "…"


def test_progress_is_hidden_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("x") as display:
        display.show({"event_type": "thinking"})
    assert capsys.readouterr() == ("", "")


def test_odd_number_of_columns_makes_no_endless_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "99999999")
    assert error_console().width <= 1000
    assert (screen_of(Terminal()).width or 0) <= 1000
