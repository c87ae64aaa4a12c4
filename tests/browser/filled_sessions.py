"""Sessions and events that a page shows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.store.changes import CreateSession
from tests.support.api import Api
from tests.support.filling import opened_store


def fill_list(state_dir: Path, sessions: Iterable[CreateSession]) -> None:
    """Create sessions before a manager starts, all at the same moment."""
    with opened_store(state_dir) as store:
        for created in store.commit([*sessions]):
            assert isinstance(created, Session), created


def create(api: Api, session_id: str, **fields: Any) -> None:
    new = {"session_id": session_id, "session_name": session_id, **fields}
    answer = api.post("/sessions", new)
    assert answer.status == 201, answer.body


def append(api: Api, session_id: str, *events: dict[str, Any]) -> None:
    for start in range(0, len(events), 500):
        answer = api.call(
            "POST",
            f"/sessions/{session_id}/events",
            json.dumps(events[start : start + 500]).encode(),
        )
        assert answer.status == 201, answer.body


def says(text: str, role: str = "assistant") -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    return {"event_type": "message", "role": role, "content": content}


def call(number: int, tool: str, tool_input: dict[str, Any], **fields: Any) -> dict[str, Any]:
    use = f"call-{number}"
    common = {"event_type": "pre_tool", "tool_name": tool, "tool_use_id": use}
    return {**common, "tool_input": tool_input, **fields}


def result(number: int, tool: str, output: Any, **fields: Any) -> dict[str, Any]:
    use = f"call-{number}"
    common = {"event_type": "post_tool", "tool_name": tool, "tool_use_id": use}
    return {**common, "tool_output": output, **fields}
