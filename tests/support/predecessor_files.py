"""Session files of the earlier Agent Orchestrator for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agent_orchestrator.history.format import Source
from agent_orchestrator.history.formats.predecessor import FORMAT
from agent_orchestrator.history.items import FoundEvent, Item, ModelRequest, TurnEnd

Json = Any

SESSION = "cf92f384-69b1-4d3a-ba19-f0177f2cd02a"
META = {
    "session_name": "architect",
    "session_id": SESSION,
    "agent": None,
    "project_dir": "/home/me/project",
    "agents_dir": "/home/me/project/.agent-orchestrator/agents",
    "created_at": "2025-11-20T10:00:00.000000Z",
    "last_resumed_at": "2025-11-20T10:00:00.000000Z",
    "schema_version": "1.0",
}
INIT = {"subtype": "init", "data": {"type": "system", "subtype": "init", "session_id": SESSION}}


def prompt(content: str, time: str = "2025-11-20T10:00:00+00:00") -> Json:
    return {"type": "user_message", "content": content, "timestamp": time}


def assistant(*blocks: Json, **fields: Json) -> Json:
    return {"content": blocks, "model": "claude-sonnet-4-5", "parent_tool_use_id": None, **fields}


def user(content: Json, **fields: Json) -> Json:
    return {"content": content, "parent_tool_use_id": None, **fields}


def result(**fields: Json) -> Json:
    return {
        "subtype": "success",
        "duration_ms": 8000,
        "duration_api_ms": 7000,
        "is_error": False,
        "num_turns": 2,
        "session_id": SESSION,
        "total_cost_usd": 0.01,
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 100,
            "cache_creation": {"ephemeral_1h_input_tokens": 60},
            "cache_read_input_tokens": 1000,
            "output_tokens": 20,
            "server_tool_use": {"web_search_requests": 1},
        },
        "result": "Done.",
        **fields,
    }


def text(words: str) -> Json:
    return {"text": words}


RUN = [
    prompt("List the files."),
    INIT,
    assistant({"thinking": "A listing.", "signature": "s"}),
    assistant(text("I look."), {"id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}),
    user([{"tool_use_id": "toolu_1", "content": "a.py", "is_error": None}]),
    assistant(text("One file.")),
    result(),
]


def write(directory: Path, lines: Iterable[Json | bytes], meta: Json = META) -> Source:
    """Write both files of a session; bytes are written as they are."""
    path = directory / "architect.jsonl"
    path.write_bytes(
        b"".join(
            line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines
        )
    )
    path.with_name("architect.meta.json").write_text(json.dumps(meta))
    (source,) = FORMAT.find(directory)
    return source


def read(directory: Path, lines: Iterable[Json | bytes], meta: Json = META) -> list[Item]:
    return list(FORMAT.read(write(directory, lines, meta)))


def events(items: Iterable[Item]) -> list[Json]:
    return [item.event for item in items if isinstance(item, FoundEvent)]


def requests(items: Iterable[Item]) -> list[ModelRequest]:
    return [item for item in items if isinstance(item, ModelRequest)]


def ends(items: Iterable[Item]) -> list[TurnEnd]:
    return [item for item in items if isinstance(item, TurnEnd)]
