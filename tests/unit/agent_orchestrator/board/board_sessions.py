"""Sessions and questions as the manager tells them to the board."""

from __future__ import annotations

from typing import Any

from agent_orchestrator.board.state.board import Board

SINCE = "2026-11-28T09:48:00.100000+00:00"


def session(name: str, kind: str | None = None, text: str = "", **fields: Any) -> dict[str, Any]:
    """Return a session with this kind of attention; without one it runs."""
    is_open = kind in (None, "asks", "quiet")
    since = fields.pop("since", SINCE)
    usage = {"input_tokens": 5, "cost_nanodollars": 70_000_000, "unpriced_tokens": 0}
    return {
        "session_id": f"{name}-id",
        "session_name": name,
        "status": "running" if is_open else "finished",
        "reason": None if is_open else "failed" if kind == "failed" else "completed",
        "run": 2,
        "agent_name": None,
        "executor": "claude",
        "project_dir": "/home/me/shop",
        "parent_session_id": None,
        "archived_at": None,
        "started_at": since,
        "last_activity_at": since,
        "last_seq": 7,
        "prompt": "Fix it.",
        "host": None,
        "attention": kind and {"kind": kind, "since": since, "text": text or None, "seq": 5},
        "usage": usage,
        **fields,
    }


def question(name: str, **event: Any) -> dict[str, Any]:
    """Return an open question of the session with this name."""
    return {"session_id": f"{name}-id", "question_id": "q-1", "run": 2, "event": event}


def item(**fields: Any) -> dict[str, Any]:
    options = [{"label": "staging", "description": "the copy"}, {"label": "production"}]
    return {"id": "1", "text": "Which one?", "options": options, "free": True, **fields}


PERMISSION: dict[str, Any] = {
    "tool_name": "Bash",
    "tool_input": {"command": "rm  build\x1b[2J\u200b\nls"},
    "cwd": "/home/me/shop",
    "choices": [
        {"id": "once", "kind": "allow", "label": "Allow"},
        {"id": "keep", "kind": "allow_always", "label": "Always allow rm"},
        {"id": "no", "kind": "deny", "label": "Deny"},
    ],
}


def board_of(*sessions: dict[str, Any], asked: dict[str, Any] | None = None) -> Board:
    """Return a board with these sessions, and perhaps with a question of the first one."""
    board = Board()
    board.load(sessions)
    if asked is not None:
        board.questions = {sessions[0]["session_id"]: [{**question("x", **asked)}]}
    return board
