"""The entry to the MCP server: its late import, its limits and a failed start."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any, cast

import pytest

from agent_session_manager.api.tools import entry
from agent_session_manager.api.tools.entry import Serve, ToolEntry
from agent_session_manager.domain.errors import OverloadedError
from agent_session_manager.domain.sessions.run_token import RunCaller
from agent_session_manager.manager.manager import Manager
from tests.support.loops import run

MANAGER = cast(Manager, None)  # the servers of these tests do not use it


def test_manager_without_calls_imports_neither_package_nor_tools() -> None:
    program = (
        "import sys; from agent_session_manager.serve import serve;"
        "from agent_session_manager.api.app import build_app; build_app(None, instance='');"
        "print([n for n in sys.modules if n.split('.')[0] in ('mcp', 'mcp_types', 'httpx2')"
        " or n.endswith('tools.table')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_calls_over_the_limits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "MAX_CALLS", 6)
    monkeypatch.setattr(entry, "MAX_CALLS_OF_A_CALLER", 4)
    tools = ToolEntry(MANAGER)
    one, other = (RunCaller(session_id=s, session_number=1, run=1) for s in "ab")
    with ExitStack() as calls:
        for caller in (one, one, one, one, other, other):
            calls.enter_context(tools.counted(caller))
        for refused in (one, other, None):
            with pytest.raises(OverloadedError), tools.counted(refused):
                pass
    with ExitStack() as calls:
        for _ in range(4):
            calls.enter_context(tools.counted(one))
        with pytest.raises(OverloadedError), tools.counted(one):
            pass
        with tools.counted(other), tools.counted(None):
            pass


def test_server_starts_once_and_again_after_a_failure() -> None:
    opened = []

    @asynccontextmanager
    async def serving(_: Manager) -> AsyncIterator[Serve]:
        async def serve(scope: Any, *_: Any) -> None:
            scope["served"] = True

        yield serve

    def open_server(manager: Manager) -> Any:
        opened.append(manager)
        if len(opened) == 1:
            raise ImportError("no package")
        return serving(manager)

    async def act() -> None:
        tools = ToolEntry(MANAGER, open_server=open_server)
        scopes: list[dict[str, bool]] = [{} for _ in range(20)]

        async def ask(scope: dict[str, bool]) -> None:
            await tools.serve(scope, cast(Any, None), cast(Any, None))

        with pytest.raises(ImportError):
            await ask({})
        await asyncio.gather(*map(ask, scopes))
        assert all(scope == {"served": True} for scope in scopes)
        assert len(opened) == 2

    run(act())
