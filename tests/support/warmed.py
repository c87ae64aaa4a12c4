"""The first opening of a database, done before processes are forked.

It compiles the statements of the schema and loads modules and regular expressions. Each manager of
a test would repeat that, as most start with an empty database.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from uvicorn.loops.auto import auto_loop_factory

from agent_session_manager.api.app import build_app
from agent_session_manager.machine.clock import now
from agent_session_manager.sql.store import open_store

auto_loop_factory()  # it imports the event loop
build_app(None, instance="")
with tempfile.TemporaryDirectory() as directory:
    open_store(f"sqlite:///{Path(directory, 'sessions.db')}", clock=now).close()
