"""The entry to the MCP server, which starts with its first request.

The server, the `mcp` package and the tools take 25 MiB and a second, and most managers never get a
request. So nothing here imports them before.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

from starlette.types import Receive, Scope, Send

from agent_session_manager.domain.errors import OverloadedError
from agent_session_manager.domain.sessions.run_token import RunCaller
from agent_session_manager.manager.manager import Manager

MAX_CALLS = 256
"""Maximum number of open requests; a wait is open for up to 45 seconds."""
MAX_CALLS_OF_A_CALLER = 64

Serve = Callable[[Scope, Receive, Send], Awaitable[None]]
Serving = AbstractAsyncContextManager[Serve]
"""A server that runs as long as the block."""


def _import_and_open(manager: Manager) -> Serving:
    from agent_session_manager.api.tools.server import serving

    return serving(manager)


class ToolEntry:
    """Serves the tools, within the limits of open requests."""

    def __init__(
        self, manager: Manager, *, open_server: Callable[[Manager], Serving] = _import_and_open
    ) -> None:
        """Open the server with `open_server`, in a thread, for the first request."""
        self._manager = manager
        self._open_server = open_server
        self._serve: asyncio.Task[Serve] | None = None
        self._running: asyncio.Task[None] | None = None
        self._open: Counter[RunCaller | None] = Counter()

    @contextmanager
    def counted(self, caller: RunCaller | None) -> Iterator[None]:
        """Count an open request until the block ends.

        Raises:
            OverloadedError: there are too many open requests, of this caller or of all.
        """
        if self._open.total() >= MAX_CALLS or self._open[caller] >= MAX_CALLS_OF_A_CALLER:
            raise OverloadedError
        self._open[caller] += 1
        try:
            yield
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request whose sender the guard has authenticated."""
        if self._serve is None or (self._serve.done() and self._serve.exception() is not None):
            self._serve = asyncio.create_task(self._start(), name="start the MCP server")
        serve = await asyncio.shield(self._serve)
        await serve(scope, receive, send)

    async def _start(self) -> Serve:
        # In a thread: the import takes half a second, and others must be served.
        serving = await asyncio.to_thread(self._open_server, self._manager)
        is_ready: asyncio.Future[Serve] = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(_run(serving, is_ready), name="MCP server")
        return await is_ready


async def _run(serving: Serving, is_ready: asyncio.Future[Serve]) -> None:
    try:
        async with serving as serve:
            is_ready.set_result(serve)
            await asyncio.Event().wait()  # cancelled at the end of the loop
    except Exception as exc:
        if is_ready.done():
            raise
        is_ready.set_exception(exc)  # requests wait for it
