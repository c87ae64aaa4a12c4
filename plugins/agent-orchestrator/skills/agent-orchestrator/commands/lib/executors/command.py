"""Any program as an agent: the prompt on its stdin, its stdout the answer, its exit code the end.

It remembers nothing between runs; a resume starts the program again. What it leaves running in the
background stays, unless it holds the program's output open: that would keep the run from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from ..processes import Child, shell_exit_code, signal_name
from .base import Event, ExecutorError, RunSpec
from .events import OutputText, create_event, storable, text_content

PIPE_GRACE_SECONDS = 2.0
"""How long after the program's end its output may be held open by what it started."""
ERROR_LINES = 10


@dataclass
class _Output:
    stdout: OutputText = field(default_factory=OutputText)
    stderr: OutputText = field(default_factory=OutputText)


class CommandExecutor:
    """Runs the program of a spec once."""

    def __init__(self, spec: RunSpec, *, pipe_grace_seconds: float = PIPE_GRACE_SECONDS) -> None:
        self._spec = spec
        self._pipe_grace_seconds = pipe_grace_seconds

    async def run(self, prompt: str) -> AsyncGenerator[Event, None]:
        """Run the program; its output is one event, once it has ended."""
        prompt = storable(prompt)
        yield create_event("message", role="user", content=text_content(prompt))
        child = await self._start()
        output = _Output()
        try:
            await self._converse(child, prompt, output)
        finally:
            child.close()
        failure = self._failure(child, output)
        if output.stdout.characters or failure is None:
            yield create_event("message", role="assistant", **output.stdout.fields())
        if output.stderr.characters:
            yield create_event("diagnostic", **output.stderr.fields())
        yield _session_stop(child, failure)

    async def send(self, text: str, message_id: str) -> None:
        raise ExecutorError("a program takes no message while it runs")

    async def _start(self) -> Child:
        if not self._spec.command:
            raise ExecutorError(
                "the executor 'command' needs a program: give one after `--`, "
                "or as `command` in the agent's definition"
            )
        program, directory = self._spec.command[0], self._spec.project_dir
        if not directory.is_dir():
            raise ExecutorError(f"the project directory {directory} does not exist")
        try:
            return await Child.start(
                self._spec.command,
                environment=self._spec.environment,
                directory=directory,
                spared=self._spec.spared,
            )
        except FileNotFoundError as exc:
            hint = "check its path" if "/" in program else "install it, or give its full path"
            raise ExecutorError(f"no program {program!r}: {hint}") from exc
        except PermissionError as exc:
            raise ExecutorError(f"{program!r} cannot be executed: try `chmod +x`") from exc
        except (OSError, ValueError) as exc:  # no format the system knows, a NUL in an argument, …
            raise ExecutorError(f"{program!r} cannot be started: {exc}") from exc

    async def _converse(self, child: Child, prompt: str, output: _Output) -> None:
        """Feed and drain all pipes at once, so that none can fill up and block the program."""
        feed = asyncio.create_task(_feed(child.stdin, prompt), name="feed stdin")
        drains = [
            asyncio.create_task(output.stdout.read_from(child.stdout), name="drain stdout"),
            asyncio.create_task(output.stderr.read_from(child.stderr), name="drain stderr"),
        ]
        is_over = False
        try:
            exit_code = await child.wait()
            _, unfinished = await asyncio.wait(drains, timeout=self._pipe_grace_seconds)
            # A program that was killed did not get to stop what it had started.
            is_over = not unfinished and exit_code >= 0
        finally:
            try:
                if not is_over:
                    await child.stop()
            finally:
                for task in (feed, *drains):
                    task.cancel()
                await asyncio.gather(feed, *drains, return_exceptions=True)

    def _failure(self, child: Child, output: _Output) -> str | None:
        if not child.exit_code:
            return None
        program = self._spec.command[0]
        if child.exit_code < 0:
            return f"{program} was killed by {signal_name(-child.exit_code)}"
        last_lines = output.stderr.last_lines(ERROR_LINES)
        return f"{program} ended with exit code {child.exit_code}" + (
            f": {last_lines}" if last_lines else ""
        )


async def _feed(stdin: asyncio.StreamWriter, prompt: str) -> None:
    # A program need not read its prompt.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stdin.write(prompt.encode())
        await stdin.drain()
        stdin.close()
        await stdin.wait_closed()


def _session_stop(child: Child, failure: str | None) -> Event:
    if failure is None:
        return create_event("session_stop", exit_code=0, reason="completed")
    exit_code = shell_exit_code(child.exit_code or 0)
    return create_event("session_stop", exit_code=exit_code, reason="failed", error=failure)
