"""A process that starts a manager at the same moment as others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path

import agent_session_manager.api.app
from agent_session_manager import serve
from agent_session_manager.cli import main
from agent_session_manager.sql.database.file import ownership
from tests.support.forking import live_in, write_to

IMPORTED = (agent_session_manager.api.app, serve)


def start_manager(
    told: Connection,
    environment: Mapping[str, str],
    log: Path,
    arguments: Sequence[str],
    without_lock: bool,
) -> None:
    """Send `ready`, and start when a message arrives; `without_lock` is the unsafe variant."""
    live_in(environment)
    write_to(log)
    if without_lock:
        ownership.owned = lambda path: ExitStack()
    told.send("ready")
    told.recv()
    main.main([*arguments], prog_name="agent-session-manager")
