"""One process of `codex app-server`, from its start to `close`."""

from __future__ import annotations

import contextlib
import re
from typing import Any, Self

from ..events.output_text import OutputText
from ..executors.base import Execution, ExecutorError
from ..executors.exec_error import explain
from ..executors.json_rpc import JsonRpc
from ..executors.pipes import Drain
from ..history.formats.codex.format import ORIGINATOR
from ..machine.processes import Child, Grace

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


class AppServer:
    """A running app-server. Its messages are read by its caller."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._stderr = OutputText(STDERR_BYTES_LIMIT)
        self._drain = Drain(child, 2, self._stderr.add)
        self._is_closed = False
        self.rpc = JsonRpc(child, has_header=False)

    @classmethod
    async def start(cls, execution: Execution, path: str) -> Self:
        """Start the program at `path`.

        Raises:
            ExecutorError: the program or the project's directory cannot be used.
        """
        directory, environment = execution.spec.project_dir, execution.environment
        if not directory.is_dir():
            raise ExecutorError(f"the project directory {directory} does not exist")
        try:
            child = await Child.start(
                [path, *ARGUMENTS],
                environment={**environment, "PWD": str(directory)},
                directory=directory,
                spared=execution.spared,
            )
        except (OSError, ValueError) as exc:
            why = explain(path, exc, directory=directory, environment=environment)
            raise ExecutorError(why) from exc
        return cls(child)

    @property
    def exit_code(self) -> int | None:
        return self._child.exit_code

    async def initialize(self) -> None:
        """Begin the connection. Nothing else may be asked for before.

        Raises:
            RpcError: Codex has refused it.
            PeerGoneError: Codex has ended.
        """
        await self.rpc.request("initialize", CLIENT)
        await self.rpc.notify("initialized")

    def end_input(self) -> None:
        """Close the input, which ends the process and its tools."""
        self._child.stdin.close()

    async def wait(self) -> None:
        """Wait for the end of the process."""
        await self._child.wait()

    async def stop(self, grace: Grace | None = None) -> None:
        """Stop the process with all its tools. Its output can still be read."""
        await self._child.stop(grace)

    async def close(self) -> None:
        """Release the process, and stop all tools that are left of it."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._child.stop()
        finally:
            await self._drain.finish()
            self._stderr.add(b"", final=True)
            with contextlib.suppress(OSError):
                self._child.close()

    def last_lines(self, count: int) -> str:
        """Return the last lines on stderr. Call it after `close`."""
        return _COLOUR.sub("", self._stderr.last_lines(count))
