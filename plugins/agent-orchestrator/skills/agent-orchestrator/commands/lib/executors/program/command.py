"""Executor for any program: the prompt on its stdin, the answer on its stdout.

The program keeps no state between runs; a resume starts it again. Its background processes keep
running, unless they hold the program's output open: that would keep the run from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from functools import partial

from ...events.event import Event
from ...events.prepare import create_event, storable, text_content
from ...machine.processes import Child, shell_exit_code, signal_name, to_its_end
from ..base import Execution, ExecutorError
from .output import PART_CHARS, Output
from .pipes import Drain
from .start_program import start_program

PIPE_GRACE_SECONDS = 2.0
"""Time after the program's end that its child processes may hold its output open."""
FLUSH_SECONDS = 0.25
"""Time between two events of one stream, unless much output waits. Affects only the pace."""
ERROR_LINES = 10


class CommandExecutor:
    """Runs a program once."""

    def __init__(
        self,
        execution: Execution,
        *,
        pipe_grace_seconds: float = PIPE_GRACE_SECONDS,
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        self._execution = execution
        self._spec = execution.spec
        self._pipe_grace_seconds = pipe_grace_seconds
        self._flush_seconds = flush_seconds
        known = execution.known_secrets
        self._stdout = Output("message", role="assistant", known=known)
        self._stderr = Output("stderr", known=known)
        self._came = asyncio.Event()
        """Set when output has arrived, or the run is over."""
        self._is_due = asyncio.Event()
        """Set when enough output for an event has arrived, or the run is over."""
        self._due_at = 0.0

    async def run(self, prompt: str) -> AsyncGenerator[Event, None]:
        """Run the program, and yield its output as events as it arrives."""
        prompt = storable(prompt)
        yield create_event("message", role="user", content=text_content(prompt))
        child, is_stopped = await to_its_end(self._start())
        drains = [
            Drain(child, 1, partial(self._take, self._stdout)),
            Drain(child, 2, partial(self._take, self._stderr)),
        ]
        ending = asyncio.create_task(self._converse(child, prompt, drains), name="converse")
        ending.add_done_callback(self._end)
        try:
            if is_stopped:  # during the start, and there may be output already
                await _cancelled(ending)
            while True:
                is_over = ending.done()
                for output in (self._stdout, self._stderr):
                    for event in output.take(final=is_over):
                        yield event
                if is_over:
                    break
                try:
                    await self._wait_for_more()
                except asyncio.CancelledError:  # the output so far is not lost
                    is_stopped = True
                    await _cancelled(ending)
        finally:
            await _cancelled(ending)
            child.close()
        if is_stopped:
            raise asyncio.CancelledError
        ending.result()
        failure = self._failure(child)
        if self._stdout.is_empty and failure is None:
            yield create_event("message", role="assistant", content=text_content(""))
        yield _session_stop(child, failure)

    def _take(self, output: Output, chunk: bytes) -> None:
        output.add(chunk)
        self._came.set()
        if output.waiting_chars >= PART_CHARS:
            self._is_due.set()

    def _end(self, _ending: asyncio.Task[None]) -> None:
        self._came.set()
        self._is_due.set()

    async def _wait_for_more(self) -> None:
        """Wait for output, and then long enough to yield only a few events a second."""
        if not (self._stdout.has_line_begun or self._stderr.has_line_begun):
            await self._came.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._due_at):
                await self._is_due.wait()
        self._came.clear()
        self._is_due.clear()
        self._due_at = asyncio.get_running_loop().time() + self._flush_seconds

    async def send(self, text: str, message_id: str, *, may_wait: bool = True) -> bool:
        raise ExecutorError("a program accepts no messages while it runs")

    async def _start(self) -> Child:
        if not self._spec.command:
            raise ExecutorError(
                "the executor 'command' needs a program: give one after `--`, "
                "or as `command` in the agent's definition"
            )
        return await start_program(self._spec.command, self._execution, self._execution.environment)

    async def _converse(self, child: Child, prompt: str, drains: Sequence[Drain]) -> None:
        """Serve all pipes at once, so that none fills up, until no process of the run writes."""
        feed = asyncio.create_task(_feed(child.stdin, prompt), name="feed stdin")
        is_over = False
        try:
            exit_code = await child.wait()
            await asyncio.wait([drain.task for drain in drains], timeout=self._pipe_grace_seconds)
            # A killed program could not stop its own child processes.
            is_over = exit_code >= 0 and not any(drain.is_held_open() for drain in drains)
        finally:
            try:
                if not is_over:
                    await child.stop()
            finally:
                feed.cancel()
                finishing = (drain.finish() for drain in drains)
                _, *ends = await asyncio.gather(feed, *finishing, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    def _failure(self, child: Child) -> str | None:
        if not child.exit_code:
            return None
        program = self._spec.command[0]
        if child.exit_code < 0:
            return f"{program} was killed by {signal_name(-child.exit_code)}"
        last_lines = self._stderr.last_lines(ERROR_LINES)
        return f"{program} ended with exit code {child.exit_code}" + (
            f": {last_lines}" if last_lines else ""
        )


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end, even if this wait is cancelled too."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0)  # the task begins: cancelled before, it would skip its `finally`
    task.cancel()
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task})


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
