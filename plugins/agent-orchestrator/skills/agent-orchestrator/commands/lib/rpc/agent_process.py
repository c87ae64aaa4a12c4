"""The process of an agent that speaks JSON-RPC, from its start to `close`."""

from __future__ import annotations

import contextlib

from ..events.output_text import OutputText
from ..events.prepare import TEXT_BYTES_LIMIT
from ..executors.program.pipes import Drain
from ..machine.processes import Child, Grace
from .json_rpc import JsonRpc


class AgentProcess:
    """A started agent. Its messages are read by its caller, and its stderr is kept."""

    def __init__(
        self, child: Child, *, has_header: bool = True, stderr_limit: int = TEXT_BYTES_LIMIT
    ) -> None:
        """Speak with `child`; `has_header` as in `JsonRpc`. Of more stderr, both ends are kept."""
        self._child = child
        self.stderr = OutputText(stderr_limit)
        self._drain = Drain(child, 2, self.stderr.add)
        self._is_closed = False
        self.rpc = JsonRpc(child, has_header=has_header)

    @property
    def exit_code(self) -> int | None:
        return self._child.exit_code

    def end_input(self) -> None:
        """Close the agent's stdin, at which it ends."""
        self._child.stdin.close()

    async def wait(self) -> None:
        """Wait for the end of the agent."""
        await self._child.wait()

    async def stop(self, grace: Grace | None = None) -> None:
        """Stop the agent with all its tools. Its output can still be read."""
        await self._child.stop(grace)

    async def close(self) -> None:
        """Release the agent: stop all tools that are left of it, and read the rest of stderr."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._child.stop()
        finally:
            try:
                await self._drain.finish()
            finally:
                self.stderr.add(b"", final=True)
                with contextlib.suppress(OSError):
                    self._child.close()

    def last_lines(self, count: int = 10) -> str:
        """Return the last lines of stderr, for a message to a person. Call it after `close`."""
        return self.stderr.last_lines(count)
