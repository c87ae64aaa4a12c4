"""One process of `codex app-server`, from its start to `close`."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any, Self

from ..executors.base import Execution
from ..executors.program.start_program import start_program
from ..history.formats.codex.format import ORIGINATOR
from ..machine.processes import Child
from ..rpc.agent_process import AgentProcess
from ..rpc.json_rpc import RpcError
from .mcp_servers import variables_of

ARGUMENTS = ("-c", "check_for_update_on_startup=false", "app-server", "--listen", "stdio://")
CLIENT: dict[str, Any] = {
    "clientInfo": {
        "name": ORIGINATOR,
        "title": "Agent Orchestrator",
        "version": "1",
    },
    "capabilities": {"experimentalApi": True},
}
STDERR_BYTES_LIMIT = 64 * 1024
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class AppServer(AgentProcess):
    """A running app-server. Its messages are read by its caller."""

    def __init__(self, child: Child) -> None:
        super().__init__(child, has_header=False, stderr_limit=STDERR_BYTES_LIMIT)

    @classmethod
    async def start(cls, execution: Execution, path: str) -> Self:
        """Start the program at `path`.

        Raises:
            ExecutorError: the program or the project's directory cannot be used.
        """
        environment = {
            **execution.environment,
            **variables_of(execution),
            "PWD": str(execution.spec.project_dir),
        }
        return cls(await start_program([path, *ARGUMENTS], execution, environment))

    async def initialize(self) -> None:
        """Begin the connection. Nothing else may be asked for before.

        Raises:
            RpcError: Codex has refused it.
            PeerGoneError: Codex has ended.
        """
        await self.rpc.request("initialize", CLIENT)
        await self.rpc.notify("initialized")

    async def configured_servers(self, directory: Path) -> set[str]:
        """Return the names of the MCP servers in the person's own configuration for a directory.

        Raises:
            PeerGoneError: Codex has ended.
        """
        with contextlib.suppress(RpcError):  # the thread fails with the reason
            match await self.rpc.request("config/read", {"cwd": str(directory)}):
                case {"config": {"mcp_servers": dict(servers)}}:
                    return set(servers)
        return set()

    def last_lines(self, count: int = 10) -> str:
        """Return the last lines of stderr without colours. Call it after `close`."""
        return _COLOUR.sub("", super().last_lines(count))
