"""The operating system's calls: start a program, find every process of its run, stop them all.

A run's processes are what descends from its program and, because a tool may detach itself (a new
session, a parent that is gone), whatever carries the run's own marker in its environment. They are
looked for again and again until none is left, and a pid counts only together with its start time.

Weaker on macOS: the environment of a protected system binary cannot be read there, so one that was
detached *and* lost its parent is not found. Beyond reach on both: a process that detached itself,
lost its parent and emptied its environment before it was first seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import uuid
from asyncio.subprocess import PIPE, SubprocessStreamProtocol
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self, TypeVar, cast

import psutil

from .environment import RUN_MARKER

logger = logging.getLogger(__name__)

INTERRUPT_GRACE_SECONDS = 5.0
"""Claude Code needs 1.5 s to stop its tools and write down its cost after an interrupt."""
TERMINATE_GRACE_SECONDS = 3.0
KILL_GRACE_SECONDS = 5.0
"""How long the kernel may take to remove what was killed."""
POLL_SECONDS = 0.02
"""Processes that are not our children announce nothing: their end can only be looked for."""

PIPE_BYTES = 1 << 18


Spared = Callable[[], frozenset[int]]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Grace:
    """How long each rung of the ladder waits before the next one is climbed."""

    interrupt_seconds: float = INTERRUPT_GRACE_SECONDS
    terminate_seconds: float = TERMINATE_GRACE_SECONDS
    kill_seconds: float = KILL_GRACE_SECONDS


class RunProcesses:
    """The processes of one run, from its program on; what was seen once is never forgotten."""

    def __init__(
        self, program: psutil.Process | None, token: str, spared: Spared | None = None
    ) -> None:
        """Start from the program, if it has not ended already, and the marker's value.

        `spared` tells the pids of supervisors and managers: those are nobody's run, and neither is
        what descends from them.
        """
        self._program = program
        self._token = token
        self._spared = spared or frozenset
        self._seen = {program} if program else set()

    def find(self) -> set[psutil.Process]:
        """Look for all that live now."""
        spared = self._spared()
        present = {process for process in _present() if process.pid not in spared}
        children: dict[int, list[psutil.Process]] = {}
        for process in present:
            with contextlib.suppress(psutil.Error):
                children.setdefault(process.ppid(), []).append(process)
        marked = {process for process in present if self._is_marked(process)}
        unvisited = [*(self._seen & present), *marked]
        living = set(unvisited)
        while unvisited:
            parent = unvisited.pop()
            for child in children.get(parent.pid, []):
                # An older "child" belongs to an earlier owner of the parent's pid.
                if child not in living and child.create_time() >= parent.create_time():
                    living.add(child)
                    unvisited.append(child)
        self._seen |= living
        return living

    async def stop(self, grace: Grace | None = None) -> None:
        """Interrupt, terminate, kill; when it returns, none is left that a kill can remove.

        Takes at most the sum of the graces. A cancellation is honoured only afterwards, because
        half a ladder leaves processes behind.
        """
        _, is_cancelled = await to_its_end(self._climb(grace or Grace()))
        if is_cancelled:
            raise asyncio.CancelledError

    async def _climb(self, grace: Grace) -> None:
        # Seen before the first signal: who loses its parent by it would be hard to find later.
        self.find()
        _signal(self._foreground(), signal.SIGINT)
        await _until(lambda: not _is_alive(self._program), grace.interrupt_seconds)
        _signal(self.find(), signal.SIGTERM)
        await _until(self._none_left, grace.terminate_seconds)
        if not await _until(self._none_left_to_kill, grace.kill_seconds):
            logger.warning("processes outlived a kill: %s", sorted(p.pid for p in self.find()))

    def _foreground(self) -> Iterator[psutil.Process]:
        """Yield what Ctrl-C on a terminal would reach: the process group of the program."""
        if self._program is None:
            return
        for process in self._seen:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getpgid(process.pid) == self._program.pid:
                    yield process

    def _none_left(self) -> bool:
        # Twice, because a process that forks and ends while they are listed can hide its child.
        return not self.find() and not self.find()

    def _none_left_to_kill(self) -> bool:
        _signal(self.find(), signal.SIGKILL)
        return self._none_left()

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(RUN_MARKER) == self._token
        except (psutil.Error, OSError):  # gone, or not ours to look into
            return False


def _present() -> Iterator[psutil.Process]:
    # Not `process_iter`: its cache may pair a pid with the start time of an earlier owner.
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _is_alive(process: psutil.Process | None) -> bool:
    if process is None:
        return False
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):  # gone meanwhile; psutil compares the start time
            process.send_signal(number)


async def _until(is_reached: Callable[[], bool], seconds: float) -> bool:
    deadline = asyncio.get_running_loop().time() + seconds
    while not is_reached():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


async def to_its_end(work: Coroutine[Any, Any, T]) -> tuple[T, bool]:
    """Await work that must not be left half done; return whether we were cancelled meanwhile."""
    task = asyncio.create_task(work)
    is_cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            is_cancelled = True
    return task.result(), is_cancelled


class _Pipes(SubprocessStreamProtocol):
    """The pipes as streams, and the program's end by itself.

    asyncio's own `wait` may also wait for the pipes, which a background child can hold open.
    """

    def __init__(self) -> None:
        super().__init__(limit=PIPE_BYTES, loop=asyncio.get_running_loop())
        self.ended = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.ended.set()


class Child:
    """A started program: its pipes, its end, and the processes of its run."""

    def __init__(
        self,
        transport: asyncio.SubprocessTransport,
        pipes: _Pipes,
        token: str,
        spared: Spared | None = None,
    ) -> None:
        self._transport = transport
        self._pipes = pipes
        self.pid = transport.get_pid()
        program = None
        with contextlib.suppress(psutil.NoSuchProcess):  # ended already
            program = psutil.Process(self.pid)
        self.processes = RunProcesses(program, token, spared)

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        spared: Spared | None = None,
    ) -> Self:
        """Start a program in a session of its own, with this environment and the run's marker.

        The marker is the environment's own, where it has one already. A start that is cancelled
        leaves no process: asyncio would kill the program, and not what that has started.

        Raises:
            OSError: the program or the directory is missing or cannot be used.
        """
        token = environment.get(RUN_MARKER) or uuid.uuid4().hex
        (transport, pipes), is_cancelled = await to_its_end(
            asyncio.get_running_loop().subprocess_exec(
                _Pipes,
                *argv,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                cwd=directory,
                env={**environment, RUN_MARKER: token},
                start_new_session=True,
            )
        )
        child = cls(transport, pipes, token, spared)
        if is_cancelled:
            await child.stop()
            child.close()
            raise asyncio.CancelledError
        return child

    @property
    def stdin(self) -> asyncio.StreamWriter:
        return cast(asyncio.StreamWriter, self._pipes.stdin)  # all three are pipes

    @property
    def stdout(self) -> asyncio.StreamReader:
        return cast(asyncio.StreamReader, self._pipes.stdout)

    @property
    def stderr(self) -> asyncio.StreamReader:
        return cast(asyncio.StreamReader, self._pipes.stderr)

    @property
    def exit_code(self) -> int | None:
        """What the program ended with, minus the signal's number if one killed it."""
        return self._transport.get_returncode()

    async def wait(self) -> int:
        """Wait for the program itself, not for who else holds its pipes."""
        await self._pipes.ended.wait()
        return cast(int, self.exit_code)  # it has ended

    async def stop(self, grace: Grace | None = None) -> None:
        """Stop the program and every process of its run; see `RunProcesses.stop`."""
        await self.processes.stop(grace)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), KILL_GRACE_SECONDS)

    def pipe(self, number: int) -> IO[bytes]:
        """Return our end of stdin (0), stdout (1) or stderr (2)."""
        transport = cast(asyncio.ReadTransport, self._transport.get_pipe_transport(number))
        return cast(IO[bytes], transport.get_extra_info("pipe"))

    def close(self) -> None:
        """Let go of the pipes; a program that still runs is killed."""
        self._transport.close()


def shell_exit_code(code: int) -> int:
    """Return an exit code as a shell tells it: 128 and the signal's number for a killed program."""
    return code if code >= 0 else 128 - code


def signal_name(number: int) -> str:
    """Return `SIGKILL` for 9, and a name also for the signals that have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
