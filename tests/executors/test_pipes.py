"""Reading a child's output to its end, with a slow reader or a pipe that stays open."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from pathlib import Path

import pytest

from agent_orchestrator.executors.program.pipes import Drain, read_stdout
from agent_orchestrator.machine.processes import PIPE_BYTES, Child
from tests.support.beacon import Beacon
from tests.support.loops import run

OUTPUT_BYTES = 2 * PIPE_BYTES + 40_000
"""More than asyncio buffers for a slow reader; the rest waits in the kernel's pipe."""


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("is_held", [False, True])
def test_all_output_of_an_ended_child_is_read(number: int, is_held: bool, tmp_path: Path) -> None:
    write = f"import os; os.write({number}, b'x' * 40_000)\n" * (OUTPUT_BYTES // 40_000)

    async def act() -> int:
        async with Beacon.open() as beacon, contextlib.AsyncExitStack() as stack:
            holder = f"{shlex.join(beacon.command())} & " if is_held else ""
            command = f"{holder}{sys.executable} -c {shlex.quote(write)}"
            child = await Child.start(
                ["sh", "-c", command], environment=dict(os.environ), directory=tmp_path
            )
            stack.push_async_callback(child.stop)
            if is_held:
                await beacon.arrival()
            await child.wait()  # before any output is read
            if number == 1:
                return sum([len(chunk) async for chunk in read_stdout(child)])
            read: list[int] = []
            drain = Drain(child, 2, lambda chunk: read.append(len(chunk)))
            await drain.finish()
            return sum(read)

    assert run(act()) == OUTPUT_BYTES // 40_000 * 40_000


def test_failed_reader_keeps_no_child_waiting(tmp_path: Path) -> None:
    """Its error is raised in the end; the child writes more than its pipe holds."""

    def take(_: bytes) -> None:
        raise ValueError("cannot be taken")

    async def act() -> int:
        command = [sys.executable, "-c", f"print('x' * {OUTPUT_BYTES})"]
        child = await Child.start(command, environment=dict(os.environ), directory=tmp_path)
        drain = Drain(child, 1, take)
        exit_code = await child.wait()
        with pytest.raises(ValueError, match="cannot be taken"):
            await drain.finish()
        child.close()
        return exit_code

    assert run(act()) == 0
