"""The first use of a manager, made before processes are forked.

It compiles the statements of the schema and of usual requests, and loads modules and regular
expressions. Each manager of a test would repeat that, which takes more than the rest of its life.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Engine
from uvicorn.loops.auto import auto_loop_factory

from agent_session_manager.api.app import build_app
from agent_session_manager.machine.clock import now
from agent_session_manager.manager.manager import Manager
from agent_session_manager.sql.store import open_store
from tests.support.asgi import asked
from tests.support.shared_statements import shared_statements

_SAID = {"event_type": "message", "role": "assistant", "content": [{"type": "text", "text": "x"}]}
_USED = {"event_type": "usage", "usage": {"input_tokens": 1}}
_END = {"event_type": "session_stop", "exit_code": 0, "reason": "completed", "run": 1}
_LEASE = {"lease": {"holder": "h"}}
_REQUESTS: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/sessions", {"session_id": "s", "session_name": "s", **_LEASE}),
    ("POST", "/sessions", {"session_id": "t", "session_name": "t", "parent_session_id": "s"}),
    ("POST", "/sessions/s/events", _SAID),
    ("POST", "/sessions/s/events", [_SAID, _USED]),
    ("PATCH", "/sessions/s", {"session_name": "other"}),
    ("PUT", "/sessions/s/runs/1/lease", _LEASE["lease"]),
    ("POST", "/sessions/s/runs/1/requests", {"request_id": "r", "kind": "stop"}),
    ("GET", "/sessions/s/runs/1/requests?state=pending", None),
    ("PUT", "/sessions/s/runs/1/requests/r", {"state": "done"}),
    ("POST", "/sessions/s/events", _END),
    ("GET", "/sessions/s/result", None),
    ("POST", "/sessions/s/runs", _LEASE),
    *(("GET", f"/sessions/s{each}", None) for each in ("", "/events", "/runs", "/status")),
    ("GET", "/sessions/s/outline", None),
    ("GET", "/sessions", None),
    ("GET", "/sessions?state=running&totals=true", None),
    ("GET", "/questions", None),
    ("GET", "/facets", None),
    ("GET", "/search?q=x", None),
    ("GET", "/health", None),
    ("DELETE", "/sessions/s?force=true", None),
)


async def _use_a_manager(directory: str) -> None:
    store = open_store(f"sqlite:///{Path(directory, 'sessions.db')}", clock=now)
    async with Manager.open(store) as manager:
        app = build_app(manager, instance="")
        for method, target, value in _REQUESTS:
            body = b"" if value is None else orjson.dumps(value)
            answer = await asked(app, method, target, body)
            assert answer.status < 300, (method, target, answer)


auto_loop_factory()  # it imports the event loop
Engine._compiled_cache = shared_statements()  # type: ignore[assignment]  # of all engines
with tempfile.TemporaryDirectory() as directory:
    asyncio.run(_use_a_manager(directory))
assert threading.active_count() == 1, "a process with threads must not be forked"
