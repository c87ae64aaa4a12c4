"""Serves a limit with the manager's sockets, event loop and uvicorn settings."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine
from typing import Any

import uvicorn
from starlette.applications import Starlette

from agent_session_manager.serve import _config, _loop_factory
from agent_session_manager.transport.listening import listen_on_loopback


async def serve(app: Starlette) -> None:
    """Print the port as one JSON line, then serve until SIGTERM."""
    sockets = listen_on_loopback(0)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    print(json.dumps({"port": sockets[0].getsockname()[1]}), flush=True)
    await uvicorn.Server(_config(app)).serve(sockets)


def run(serving: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serving)
